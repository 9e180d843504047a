"""Calls of models inside each other: one span, whoever makes it.

An instrumentation of a model's client (OpenAI's, Anthropic's) makes a span for the call that a framework has made one
for. Those that rest on OpenTelemetry's own GenAI utilities agree on a key of the context: the outer call puts an object
there, and the inner one makes no span and fills in what it knows. Others look for a flag.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context, get_value, set_value

from civitas.telemetry import names

__all__ = ["Cover", "is_suppressed", "outer", "publish"]

_FLAG = "suppress_language_model_instrumentation"
"""Of the instrumentations of OpenLLMetry."""
_NOTHING = "suppress_instrumentation"
"""Of OpenTelemetry's instrumentations: code inside is not to be told at all."""

_FIELDS = {
    names.PROVIDER: "provider_name",
    names.REQUEST_MODEL: "request_model",
    names.RESPONSE_MODEL: "response_model",
    names.RESPONSE_ID: "response_id",
    names.FINISH_REASONS: "response_finish_reasons",
    names.INPUT_TOKENS: "usage_input_tokens",
    names.OUTPUT_TOKENS: "usage_output_tokens",
    names.CACHE_READ_TOKENS: "usage_cache_read_input_tokens",
    names.CACHE_WRITE_TOKENS: "usage_cache_write_input_tokens",
    names.REASONING_TOKENS: "usage_reasoning_output_tokens",
}


def is_suppressed() -> bool:
    """Whether what happens in this context is not to be told."""
    return bool(get_value(_NOTHING))


def outer() -> Any:
    """What the call of a model around this context, which has its span, wants to know; None if there is none."""
    utility = _utility()
    if utility is None:
        return None
    data = get_value(utility.CLIENT_INFERENCE_CONTEXT_KEY)
    return data if isinstance(data, utility.InferenceData) else None


class Cover:
    """Of the call of a model that has its span: it covers the calls inside it until it is over.

    The context that it is in may still be the current one somewhere when it has ended.
    """

    __slots__ = ("_data", "_over")

    def __init__(self) -> None:
        self._over = False
        utility = _utility()
        self._data = utility.InferenceData() if utility is not None else None

    def __bool__(self) -> bool:
        return not self._over

    def context(self, context: Context) -> Context:
        """`context`, as it is inside the call."""
        context = set_value(_FLAG, self, context)
        utility = _utility()
        if utility is None or self._data is None:
            return context
        return set_value(utility.CLIENT_INFERENCE_CONTEXT_KEY, self._data, context)

    def known(self) -> dict[str, Any]:
        """The attributes that calls inside filled in."""
        found = {word: getattr(self._data, field, None) for word, field in _FIELDS.items()}
        return {word: value for word, value in found.items() if value is not None}

    def end(self) -> None:
        """The call has ended."""
        self._over = True
        if self._data is not None:
            self._data.__class__ = _Over  # who looks for the other class finds none


class _Over:
    """What is left of the data of a call that has ended."""


def publish(data: Any, attributes: Mapping[str, Any]) -> None:
    """Fill in what is known of a call, for the one around it."""
    for word, field in _FIELDS.items():
        if attributes.get(word) is not None and hasattr(data, field):
            setattr(data, field, attributes[word])


def _utility() -> Any:
    # Only where somebody brought it: nobody else looks for its key.
    module = sys.modules.get("opentelemetry.util.genai.invocation")
    return module if hasattr(module, "CLIENT_INFERENCE_CONTEXT_KEY") else None
