"""Models and their providers in a run: each call is sent to the reader as it comes, and in a durable run made once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from agents.models.interface import Model, ModelProvider, ModelTracing

from civitas.frameworks import Unfinished, idempotency_key
from civitas.process.ambiguous import CallNote
from civitas_openai._once import scope
from civitas_openai._responses import as_event, collect, dump, load, text_of
from civitas_openai._tracing import spanned

if TYPE_CHECKING:
    from agents import ModelResponse, ModelSettings

    from civitas.budgets import Reservation
    from civitas.frameworks import Run
    from civitas_openai._once import Scope
    from civitas_openai._spans import TracedCall

__all__ = ["WatchedModel", "WatchedProvider"]

_HEADER = "Idempotency-Key"


class Ends(Protocol):
    """The agent that a run belongs to, as its models see it."""

    _ending: bool
    """Whether it was asked to end while a run is on."""


class WatchedModel(Model):
    """A model of the user's, each call of which is reported and made once.

    Args:
        model: The user's.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,
        model_settings: ModelSettings,
        *more: Any,
        **named: Any,
    ) -> ModelResponse:
        """The model's answer, or the recorded one."""
        inside = scope.get()
        if inside is None:
            return await self._model.get_response(
                system_instructions, input, model_settings, *more, **named
            )
        run, part = inside.run, f"{inside.path}model {len(inside.calls.answers)}"
        live: ModelResponse | None = None

        async def call() -> Any:
            nonlocal live
            given = model_settings
            if run.durable:
                headers = {_HEADER: idempotency_key(), **(given.extra_headers or {})}
                given = replace(given, extra_headers=headers)
            given = _counted(run, given)
            arguments = (system_instructions, input, given, *more)
            private = ModelTracing.ENABLED_WITHOUT_DATA in (*more, named.get("tracing"))
            reserving = self._reserve(run, system_instructions, input, model_settings)
            with (
                await reserving as reservation,
                spanned(run, self._model, system_instructions, input, private=private) as span,
            ):
                run.progress.moves("a model was called")
                if inside.heard or run.watched:
                    live = await self._streamed(inside, part, arguments, named, span)
                else:
                    live = await self._model.get_response(*arguments, **named)
                if reservation is not None:
                    reservation.answered(live.usage.input_tokens, live.usage.output_tokens)
                run.progress.moves("a model answered")
                if span is not None:
                    span.answered(live)
            return dump(live) if run.durable else None

        if run.durable and cast(Ends, run.agent)._ending:
            raise Unfinished
        note = None
        if run.durable:
            asks = getattr(self._model, "asks", "")
            note = CallNote("model", str(getattr(self._model, "model", "")), asks=asks)
        recorded = await run.once(part, call, note=note)
        if live is None:
            live = load(recorded)
            if inside.heard:
                await run.token(text_of(live), part)
        # Now and not before: what the SDK tries again is the same call.
        inside.calls.answers.append(live)
        return live

    async def _streamed(
        self,
        inside: Scope,
        part: str,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        span: TracedCall | None,
    ) -> ModelResponse:
        run = inside.run

        async def tell(text: str) -> None:
            if inside.heard:
                await run.token(text, part)

        run.begin(part)
        try:
            stream = self._model.stream_response(*arguments, **named)
            response = await collect(stream, tell, run.progress.moves)
            if span is not None:
                span.streamed()
            return response
        except NotImplementedError:
            response = await self._model.get_response(*arguments, **named)
            await tell(text_of(response))
            return response

    async def stream_response(
        self,
        system_instructions: str | None,
        input: Any,
        model_settings: ModelSettings,
        *more: Any,
        **named: Any,
    ) -> AsyncIterator[Any]:
        """The model's stream; in a durable run, only its end. For agents that are tools with an `on_stream`."""
        inside, arguments = scope.get(), (system_instructions, input, model_settings, *more)
        if inside is not None and inside.run.durable:
            response = await self.get_response(*arguments, **named)
            yield as_event(response, str(getattr(self._model, "model", "")))
            return
        if inside is None:
            async for event in self._model.stream_response(*arguments, **named):
                yield event
            return
        run = inside.run
        given = _counted(run, model_settings)
        with await self._reserve(run, system_instructions, input, given) as reservation:
            stream = self._model.stream_response(system_instructions, input, given, *more, **named)
            async for event in stream:
                usage = getattr(getattr(event, "response", None), "usage", None)
                if usage is not None and reservation is not None:
                    reservation.answered(usage.input_tokens, usage.output_tokens)
                yield event

    async def _reserve(
        self,
        run: Run,
        system_instructions: str | None,
        input: Any,
        model_settings: ModelSettings,
    ) -> AbstractContextManager[Reservation | None]:
        if getattr(self._model, "elsewhere", False):
            return nullcontext()  # an agent, which reserves the calls that it makes itself
        prompt = [system_instructions, input]
        name = str(getattr(self._model, "model", ""))
        return await run.reserve(name, prompt, model_settings.max_tokens)

    async def close(self) -> None:
        """Nothing: it is the user's."""

    def get_retry_advice(self, request: Any) -> Any:
        """The model's own."""
        return self._model.get_retry_advice(request)

    async def _cleanup_on_run_end(self, owner: object) -> None:
        await self._model._cleanup_on_run_end(owner)


def _counted(run: Run, settings: ModelSettings) -> ModelSettings:
    """The settings with which a stream that nobody may have asked for says what it used, where that matters."""
    if settings.include_usage is None and (run.watched or run.spending.counts_size):
        return replace(settings, include_usage=True)
    return settings


class WatchedProvider(ModelProvider):
    """A provider whose models are watched.

    Args:
        provider: The user's, or the SDK's own.
    """

    def __init__(self, provider: ModelProvider) -> None:
        self._provider = provider

    def get_model(self, model_name: str | None) -> Model:
        """The model of that name."""
        return WatchedModel(self._provider.get_model(model_name))
