"""Models in a run: each call is told to the reader as it comes, and in a durable run made once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai import ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import CompletedStreamedResponse
from pydantic_ai.models.wrapper import WrapperModel

from civitas.frameworks import Unfinished, idempotency_key
from civitas.process.ambiguous import CallNote
from civitas_pydantic_ai._once import RunCalls, dump_answer, load_answer
from civitas_pydantic_ai._payload import as_messages, text_of
from civitas_pydantic_ai._spans import calling_model

if TYPE_CHECKING:
    from pydantic_ai import ModelMessage, ModelSettings, RunContext
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse

    from civitas.frameworks import Run

__all__ = ["RecordedModel"]

_HEADER = "Idempotency-Key"
_MISSING: Any = object()


class RecordedModel(WrapperModel):
    """A model of the user's, each call of which is reported and made once.

    Args:
        model: The user's.
        calls: Those of the run that calls it.
    """

    def __init__(self, model: Model, calls: RunCalls) -> None:
        super().__init__(model)
        self._calls = calls

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The model's answer, or the recorded one."""
        calls, run = self._calls, self._calls.run
        part = f"model {calls.answers}"
        live: ModelResponse | None = None

        async def call() -> Any:
            nonlocal live
            asked = as_messages(messages) if _is_looked_at(run) else []
            longest = (model_settings or {}).get("max_tokens")
            with (
                await run.reserve(self.model_name, asked, longest) as reservation,
                calling_model(run, part, self.wrapped, asked) as span,
            ):
                run.progress.moves("a model was called")
                live = await self._called(
                    part, messages, self._keyed(model_settings), model_request_parameters
                )
                reservation.answered(live.usage.input_tokens, live.usage.output_tokens)
                span.answered(live)
            return dump_answer(live) if run.durable else None

        if run.durable and calls.ends():
            raise Unfinished
        note = CallNote("model", self.model_name) if run.durable else None
        recorded = await run.once(part, call, note=note)
        if live is None:
            live = load_answer(recorded)
            await run.token(text_of(live.parts), part)
        # Now and not before: what Pydantic AI tries again is the same call.
        calls.answers += 1
        calls.used(live.usage)
        return live

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """The model's answer as a stream, in one piece: for the user's own handlers of events."""
        answer = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(
            answer, model_request_parameters=model_request_parameters, replay_events=True
        )

    async def _called(
        self,
        part: str,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        run = self._calls.run
        if not (run.streams or run.watched):
            return await self.wrapped.request(messages, settings, parameters)
        run.begin(part)
        # A `FunctionModel` without it says by an assertion that it cannot stream.
        if getattr(self.wrapped, "stream_function", _MISSING) is not None:
            try:
                return await self._streamed(part, messages, settings, parameters)
            except NotImplementedError:
                pass
        answer = await self.wrapped.request(messages, settings, parameters)
        await run.token(text_of(answer.parts), part)
        return answer

    async def _streamed(
        self,
        part: str,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        run = self._calls.run
        async with self.wrapped.request_stream(messages, settings, parameters) as stream:
            if run.spans is not None:
                run.spans.streams(part)
            async for event in stream:
                run.progress.moves("a part of an answer came")
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    await run.token(event.part.content, part)
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    await run.token(event.delta.content_delta, part)
            return stream.get()

    def _keyed(self, given: ModelSettings | None) -> ModelSettings | None:
        """The settings of a call, which carries its key if it may be made twice, and if the model sends headers."""
        if not self._calls.run.durable or not _sends_headers(self.wrapped):
            return given
        settings: ModelSettings = {**given} if given is not None else {}
        settings["extra_headers"] = {
            _HEADER: idempotency_key(),
            **(settings.get("extra_headers") or {}),
        }
        return settings


def _is_looked_at(run: Run) -> bool:
    """Whether anybody looks at what a model is asked: a budget, or a trace. It takes its time where that is long."""
    recorded = run.spans is not None and run.spans.content is not None
    return recorded or run.spending.counts_size


def _sends_headers(model: Model) -> bool:
    """Whether a model sends `extra_headers`; one that does not would warn of them."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    models = getattr(model, "models", None) or [model]
    return not any("extra_headers" in each.unsupported_settings for each in models)
