"""Models and their providers in a run: each call is sent to the reader as it comes, and in a durable run made once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
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

__all__ = ["WatchedModel", "WatchedProvider"]

_HEADER = "Idempotency-Key"


class Ends(Protocol):
    """The agent that a run belongs to, as its models see it."""

    ending: bool
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
            if run.watched and given.include_usage is None:
                given = replace(given, include_usage=True)  # it streams although nobody asked
            arguments = (system_instructions, input, given, *more)
            private = ModelTracing.ENABLED_WITHOUT_DATA in (*more, named.get("tracing"))
            reserving = self._reserve(run, system_instructions, input, model_settings)
            with (
                await reserving as reservation,
                spanned(run, self._model, system_instructions, input, private=private) as span,
            ):
                run.progress.moves("a model was called")
                if inside.heard or run.watched:
                    live = await self._streamed(inside, part, arguments, named)
                else:
                    live = await self._model.get_response(*arguments, **named)
                reservation.answered(live.usage.input_tokens, live.usage.output_tokens)
                run.progress.moves("a model answered")
                if span is not None:
                    span.answered(live)
            return dump(live) if run.durable else None

        if run.durable and cast(Ends, run.agent).ending:
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
        self, inside: Scope, part: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> ModelResponse:
        run = inside.run

        async def tell(text: str) -> None:
            if inside.heard:
                await run.token(text, part)

        run.begin(part)
        try:
            stream = self._model.stream_response(*arguments, **named)
            return await collect(stream, tell, run.progress.moves)
        except NotImplementedError:
            response = await self._model.get_response(*arguments, **named)
            await tell(text_of(response))
            return response

    async def stream_response(self, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        """The model's stream; in a durable run, only its end. For agents that are tools with an `on_stream`."""
        inside = scope.get()
        if inside is not None and inside.run.durable:
            response = await self.get_response(*arguments, **named)
            yield as_event(response, str(getattr(self._model, "model", "")))
            return
        if inside is None:
            async for event in self._model.stream_response(*arguments, **named):
                yield event
            return
        with await self._reserve(inside.run, *arguments, **named) as reservation:
            async for event in self._model.stream_response(*arguments, **named):
                usage = getattr(getattr(event, "response", None), "usage", None)
                if usage is not None:
                    reservation.answered(usage.input_tokens, usage.output_tokens)
                yield event

    def _reserve(
        self,
        run: Run,
        system_instructions: str | None,
        input: Any,
        model_settings: ModelSettings,
        *more: Any,
        **named: Any,
    ) -> Awaitable[Reservation]:
        prompt = [system_instructions, input]
        name = str(getattr(self._model, "model", ""))
        return run.reserve(name, prompt, model_settings.max_tokens)

    async def close(self) -> None:
        """Nothing: it is the user's."""

    def get_retry_advice(self, request: Any) -> Any:
        """The model's own."""
        return self._model.get_retry_advice(request)

    async def _cleanup_on_run_end(self, owner: object) -> None:
        await self._model._cleanup_on_run_end(owner)


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
