"""What stands between a crew and its models, for one run."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from crewai.llms.base_llm import BaseLLM
from crewai.types.usage_metrics import UsageMetrics

from civitas.frameworks import comes_from, idempotency_key
from civitas.process.ambiguous import CallNote

if TYPE_CHECKING:
    from civitas_crewai._once import MadeCalls
    from civitas_crewai._stream import Voice

__all__ = ["Models", "in_call", "silently"]

# Inside a model's call: what the model's class calls of itself is the same call.
_calling: ContextVar[list[tuple[int, int]] | None] = ContextVar(
    "civitas_crewai_calling", default=None
)
"""Tokens that were read and written in the call."""

# What a model says here is not for the reader of the stream.
_silent: ContextVar[bool] = ContextVar("civitas_crewai_silent", default=False)


def in_call() -> bool:
    """Whether this code belongs to the call of a model, in a run."""
    return _calling.get() is not None


class Models:
    """Makes copies of models whose calls are those of one run; the models themselves never change.

    Args:
        calls: Makes the calls.
        voice: Reports them to the reader; None if there is none.
        keyed: Whether the models' providers are sent the idempotency key of each call.
    """

    def __init__(self, calls: MadeCalls, voice: Voice | None, *, keyed: bool) -> None:
        self._calls = calls
        self._voice = voice
        self._keyed = keyed
        self._copies: dict[tuple[int, bool], BaseLLM] = {}
        self._of: dict[int, BaseLLM] = {}
        self._lock = threading.Lock()

    def tap(self, given: Any, *, tells: bool = True) -> Any:
        """The copy that stands for a model in this run; anything else comes back as it is.

        Args:
            given: A model, or its copy.
            tells: Whether the reader of the stream is told what it says.
        """
        if not isinstance(given, BaseLLM):
            return given
        # Kept alive by the table, so that no other object is given its identity.
        original = self._of.get(id(given), given)
        place = id(original), tells
        if place not in self._copies:
            self._copies[place] = tapped = self._tapped(original, tells)
            self._of[id(original)] = self._of[id(tapped)] = original
        return self._copies[place]

    def _tapped(self, original: BaseLLM, tells: bool) -> BaseLLM:
        model = copy.copy(original)
        if (self._voice is not None and tells) or self._calls.watched:
            model.stream = True
        # CrewAI adds up what a model uses for as long as it lives; here, for as long as the run does.
        model._token_usage = dict.fromkeys(original._token_usage, 0)
        tap = model.__dict__
        tap["_track_token_usage_internal"] = self._counting()
        tap["call"] = call = self._calling(model, tells)
        tap["acall"] = self._calling_async(model, call)
        return model

    def _calling(self, model: BaseLLM, tells: bool) -> Callable[..., Any]:
        calls, voice = self._calls, self._voice if tells else None
        signature = inspect.signature(type(model).call)

        def call(*args: Any, **keywords: Any) -> Any:
            if in_call():
                return type(model).call(model, *args, **keywords)
            asked = signature.bind(model, *args, **keywords).arguments
            key = calls.key("model", _question(model, asked))

            def make() -> Any:
                used: list[tuple[int, int]] = []
                token = _calling.set(used)
                calls.progress.moves("a model was called")
                try:
                    with calls.reserve(model, asked.get("messages")) as reservation:
                        result = type(model).call(self._with_key(model), *args, **keywords)
                        read, written = (sum(each) for each in zip((0, 0), *used, strict=True))
                        reservation.answered(read, written)
                        return result
                finally:
                    calls.progress.moves("a model was done")
                    _calling.reset(token)

            def used(usage: Mapping[str, int]) -> None:
                self._add(model, usage)

            note = CallNote("model", str(model.model))
            if voice is None or _silent.get() or calls.answered(key):
                return calls.make(key, make, used=used, note=note)
            with voice.speaking(key):
                result = calls.make(key, make, used=used, note=note)
            voice.said(key, result)
            return result

        return call

    def _calling_async(self, model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
        async def acall(*args: Any, **keywords: Any) -> Any:
            if in_call():
                return await type(model).acall(model, *args, **keywords)
            if keywords.get("from_task") is None:
                # So it is asked to sum up what was said, where the window is full.
                return await asyncio.to_thread(silently(call), *args, **keywords)
            return await asyncio.to_thread(call, *args, **keywords)

        return acall

    def _counting(self) -> Callable[[dict[str, Any]], None]:
        def count(usage_data: dict[str, Any]) -> None:
            metrics = UsageMetrics.from_provider_dict(usage_data)
            if metrics is not None:
                self._calls.use(metrics.model_dump())
                if (used := _calling.get()) is not None:
                    used.append((metrics.prompt_tokens, metrics.completion_tokens))

        return count

    def _add(self, model: BaseLLM, usage: Mapping[str, int]) -> None:
        with self._lock:
            for name, amount in usage.items():
                model._token_usage[name] = model._token_usage.get(name, 0) + amount

    def _with_key(self, model: BaseLLM) -> BaseLLM:
        """The model for one call, by which its provider recognizes the call when it is made again."""
        if not self._keyed or not _takes_headers(model):
            return model
        once = copy.copy(model)
        given = model.additional_params
        headers = {**given.get("extra_headers", {}), "Idempotency-Key": idempotency_key()}
        once.additional_params = {**given, "extra_headers": headers}
        # CrewAI keeps what holds for the length of a call by the identity of the model.
        once.stop = list(model.stop_sequences)
        once.stream = model._effective_stream()
        return once


def silently(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, without the reader of the stream hearing of it."""

    def quiet(*args: Any, **keywords: Any) -> Any:
        token = _silent.set(True)
        try:
            return call(*args, **keywords)
        finally:
            _silent.reset(token)

    return quiet


def _question(model: BaseLLM, asked: dict[str, Any]) -> Any:
    messages = asked.get("messages")
    if isinstance(messages, list):
        messages = [_without_ids(each) if isinstance(each, dict) else each for each in messages]
    tools = [
        each.get("function", {}).get("name", "") if isinstance(each, dict) else str(each)
        for each in asked.get("tools") or ()
    ]
    return [model.model, messages, tools, asked.get("response_model")]


def _without_ids(message: dict[str, Any]) -> dict[str, Any]:
    # Some models have no ids for their tool calls, and CrewAI makes some up.
    told = {
        key: value
        for key, value in message.items()
        if key not in ("tool_call_id", "raw_tool_call_parts", "tool_calls")
    }
    if calls := message.get("tool_calls"):
        told["tool_calls"] = [
            each.get("function") if isinstance(each, dict) else str(each) for each in calls
        ]
    return told


def _takes_headers(model: BaseLLM) -> bool:
    if model.is_litellm:
        return True
    return comes_from(model, "crewai", "OpenAICompletion")
