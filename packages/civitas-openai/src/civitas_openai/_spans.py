"""From the SDK's traces to spans: one for each agent, model call, tool call, handoff and guardrail of a run."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from agents.tracing import (
    AgentSpanData,
    FunctionSpanData,
    GenerationSpanData,
    GuardrailSpanData,
    HandoffSpanData,
    ResponseSpanData,
    TracingProcessor,
)

from civitas.telemetry import names

if TYPE_CHECKING:
    from agents.tracing import Span, Trace

    from civitas.frameworks.spans import SpanTree

__all__ = ["BRIDGE", "AgentSpans", "current_tree"]

current_tree: ContextVar[SpanTree | None] = ContextVar("civitas_openai_tree", default=None)
"""Where the SDK's spans go, in the context of a run that is recorded."""


class AgentSpans(TracingProcessor):
    """One for the whole process, as the SDK has it; deaf outside recorded runs.

    The SDK calls it in the task and context of what begins and ends, so each span can be the current one meanwhile.
    """

    def on_trace_start(self, trace: Trace) -> None:
        """The run has its span already."""

    def on_trace_end(self, trace: Trace) -> None:
        """The run ends its span itself."""

    def on_span_start(self, span: Span[Any]) -> None:
        tree = current_tree.get()
        if tree is None:
            return
        begun = _describe(span.span_data)
        if begun is None:
            tree.skip(span.span_id, span.parent_id)
        else:
            tree.start(span.span_id, span.parent_id, *begun)

    def on_span_end(self, span: Span[Any]) -> None:
        tree = current_tree.get()
        if tree is None:
            return
        data = span.span_data
        attributes: dict[str, Any] = {}
        if isinstance(data, GenerationSpanData):
            attributes = _usage(data.usage)
        elif isinstance(data, ResponseSpanData):
            attributes = _usage(data.usage)
            if (model := getattr(data.response, "model", None)) is not None:
                attributes[names.RESPONSE_MODEL] = model
                tree.rename(span.span_id, names.chat(model))
        elif isinstance(data, HandoffSpanData) and data.to_agent:
            tree.rename(span.span_id, names.handoff(data.to_agent))
        tree.end(span.span_id, attributes, error=_error(span))

    def shutdown(self) -> None:
        """Nothing to end: the spans are OpenTelemetry's."""

    def force_flush(self) -> None:
        """Nothing is held back here."""


BRIDGE: Final = AgentSpans()
"""The one that is put on the SDK's list."""


def _describe(data: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and attributes of a span; None for what is only a frame around others."""
    if isinstance(data, AgentSpanData):
        about = {names.GEN_AI_OPERATION: "invoke_agent", names.AGENT_NAME: data.name}
        return names.invoke_agent(data.name), about
    if isinstance(data, FunctionSpanData):
        about = {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: data.name,
            names.TOOL_TYPE: "function",
        }
        return names.execute_tool(data.name), about
    if isinstance(data, GenerationSpanData):
        model = data.model or "model"
        return names.chat(model), {
            names.GEN_AI_OPERATION: "chat",
            names.REQUEST_MODEL: data.model,
        }
    if isinstance(data, ResponseSpanData):
        return names.chat("model"), {names.GEN_AI_OPERATION: "chat"}
    if isinstance(data, HandoffSpanData):
        return names.handoff(""), {}
    if isinstance(data, GuardrailSpanData):
        return names.guardrail(data.name), {}
    return None


def _usage(usage: Any) -> dict[str, Any]:
    tokens = usage if isinstance(usage, dict) else {}
    return {
        names.INPUT_TOKENS: tokens.get("input_tokens"),
        names.OUTPUT_TOKENS: tokens.get("output_tokens"),
    }


def _error(span: Span[Any]) -> BaseException | str | None:
    passing = sys.exc_info()[1]
    if span.error is not None:
        return passing or span.error["message"]
    # The SDK ends the spans of a cancelled run as if all had gone well, but it does so while the cancellation passes.
    return passing if isinstance(passing, CancelledError) else None
