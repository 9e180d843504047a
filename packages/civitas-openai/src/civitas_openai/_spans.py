"""From the SDK's traces to spans: one for each agent, model call, tool call, handoff and guardrail of a run."""

from __future__ import annotations

import re
import sys
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager
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
    get_current_span,
)

from civitas.telemetry import names
from civitas.telemetry.providers import provider_at, provider_in, provider_of
from civitas_openai._responses import text_of

if TYPE_CHECKING:
    from agents import ModelResponse
    from agents.models.interface import Model
    from agents.tracing import Span, Trace

    from civitas.frameworks.spans import SpanTree
    from civitas.telemetry.content import Content

__all__ = ["BRIDGE", "AgentSpans", "TracedCall", "calling_model", "current_tree"]

current_tree: ContextVar[SpanTree | None] = ContextVar("civitas_openai_tree", default=None)
"""Where the SDK's spans go, in the context of a run that is recorded."""


_call: ContextVar[TracedCall | None] = ContextVar("civitas_openai_call", default=None)
"""The call of a watched model that this code belongs to, which has its span already."""


class TracedCall:
    """One call of a model, and what is known of it.

    Args:
        content: Makes attributes of what it says; None if that is not to be recorded.
    """

    def __init__(self, content: Content | None) -> None:
        self._content = content
        self.attributes: dict[str, Any] = {}

    def answered(self, response: ModelResponse) -> None:
        """The model answered."""
        usage = response.usage
        calls = [each for each in response.output if each.type == "function_call"]
        reason = "tool_calls" if calls else "stop"
        self.attributes = {
            names.RESPONSE_ID: _real(response.response_id),
            names.FINISH_REASONS: [reason],
            **_tokens(
                usage.input_tokens,
                usage.output_tokens,
                usage.input_tokens_details,
                usage.output_tokens_details,
            ),
            **self.attributes,
        }
        if (content := self._content) is not None:
            said = [each.model_dump() for each in calls]
            self.attributes[names.OUTPUT_MESSAGES] = content.answer(
                names.OUTPUT_MESSAGES, text_of(response), said, reason
            )

    def streamed(self) -> None:
        """Its answer came piece by piece."""
        self.attributes[names.REQUEST_STREAM] = True

    def told(self, data: ResponseSpanData | GenerationSpanData) -> None:
        """What the SDK's own span of the call says."""
        response = getattr(data, "response", None)
        if response is None:
            return
        self.attributes[names.RESPONSE_MODEL] = response.model
        if response.status == "incomplete" and response.incomplete_details is not None:
            reason = response.incomplete_details.reason
            self.attributes[names.FINISH_REASONS] = [
                "length" if reason == "max_output_tokens" else str(reason)
            ]


@contextmanager
def calling_model(
    model: Model, instructions: str | None, input: Any, *, private: bool
) -> Iterator[TracedCall | None]:
    """The span of one call of `model`, inside the block; None if nobody records any."""
    tree = current_tree.get()
    if tree is None or getattr(model, "elsewhere", False):
        yield None
        return
    name = getattr(model, "model", None)
    attributes: dict[str, Any] = {
        names.GEN_AI_OPERATION: "chat",
        names.PROVIDER: _provider(model, name),
        names.REQUEST_MODEL: str(name) if name else None,
    }
    content = None if private else tree.content
    if content is not None:
        attributes[names.INPUT_MESSAGES] = content.messages(names.INPUT_MESSAGES, input)
        if instructions:
            said = [{"type": "text", "content": instructions}]
            attributes[names.SYSTEM_INSTRUCTIONS] = content.value(names.SYSTEM_INSTRUCTIONS, said)
    key, call = object(), TracedCall(content)
    around = get_current_span()
    tree.start(
        key, around and around.span_id, names.chat(str(name) if name else "model"), attributes
    )
    token = _call.set(call)
    try:
        yield call
    except (Exception, CancelledError) as error:
        tree.end(key, call.attributes, error=error)
        raise
    finally:
        _call.reset(token)
        tree.end(key, call.attributes)


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
        if begun is None or (_call.get() is not None and _is_call(span.span_data)):
            tree.skip(span.span_id, span.parent_id)
        else:
            # Instrumentations leave out that one agent hands over to another.
            handed = isinstance(span.span_data, HandoffSpanData)
            tree.start(span.span_id, span.parent_id, *begun, only_here=handed)

    def on_span_end(self, span: Span[Any]) -> None:
        tree = current_tree.get()
        if tree is None:
            return
        data = span.span_data
        attributes: dict[str, Any] = {}
        if _is_call(data):
            if (call := _call.get()) is not None:
                call.told(data)
            attributes = _usage(data.usage)
            if (model := getattr(getattr(data, "response", None), "model", None)) is not None:
                attributes[names.RESPONSE_MODEL] = model
                tree.rename(span.span_id, names.chat(model))
        elif isinstance(data, HandoffSpanData) and data.to_agent:
            tree.rename(span.span_id, names.handoff(data.to_agent))
            attributes = {
                names.TRANSFER_TARGET: data.to_agent,
                names.TOOL_NAME: f"transfer_to_{re.sub(r'[^a-zA-Z0-9_-]', '_', data.to_agent)}",
            }
        elif isinstance(data, FunctionSpanData) and (content := tree.content) is not None:
            attributes = {
                names.TOOL_ARGUMENTS: content.value(names.TOOL_ARGUMENTS, data.input),
                names.TOOL_RESULT: content.value(names.TOOL_RESULT, data.output),
            }
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
        url = (data.model_config or {}).get("base_url")
        return names.chat(model), {
            names.GEN_AI_OPERATION: "chat",
            names.PROVIDER: provider_in(data.model) or provider_at(url) or "openai",
            names.REQUEST_MODEL: data.model,
        }
    if isinstance(data, ResponseSpanData):
        return names.chat("model"), {names.GEN_AI_OPERATION: "chat", names.PROVIDER: "openai"}
    if isinstance(data, HandoffSpanData):
        return names.handoff(""), {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_TYPE: "function",
            names.AGENT_NAME: data.from_agent,
            names.TRANSFER_MODE: names.PASS_CONTROL,
        }
    if isinstance(data, GuardrailSpanData):
        return names.guardrail(data.name), {}
    return None


def _is_call(data: Any) -> bool:
    """Whether it is the call of a model."""
    return isinstance(data, (GenerationSpanData, ResponseSpanData))


def _provider(model: Model, name: Any) -> str:
    client = getattr(model, "_client", None)
    url = getattr(client, "base_url", None)
    if url is None:
        return provider_in(name) or provider_of(model)
    # Whoever else speaks OpenAI's protocol is told apart by the address alone.
    return provider_at(url) or "openai"


def _real(id: str | None) -> str | None:
    return id if id and not id.startswith("__fake") else None


def _usage(usage: Any) -> dict[str, Any]:
    tokens = usage if isinstance(usage, dict) else {}
    return _tokens(
        tokens.get("input_tokens"),
        tokens.get("output_tokens"),
        tokens.get("input_tokens_details"),
        tokens.get("output_tokens_details"),
    )


def _tokens(read: Any, written: Any, about_read: Any, about_written: Any) -> dict[str, Any]:
    def part(about: Any, name: str) -> Any:
        return about.get(name) if isinstance(about, dict) else getattr(about, name, None)

    return {
        names.INPUT_TOKENS: read or None,
        names.OUTPUT_TOKENS: written or None,
        names.CACHE_READ_TOKENS: part(about_read, "cached_tokens") or None,
        names.CACHE_WRITE_TOKENS: part(about_read, "cache_write_tokens") or None,
        names.REASONING_TOKENS: part(about_written, "reasoning_tokens") or None,
    }


def _error(span: Span[Any]) -> BaseException | str | None:
    passing = sys.exc_info()[1]
    if span.error is not None:
        return passing or span.error["message"]
    # The SDK ends the spans of a cancelled run as if all had gone well, but it does so while the cancellation passes.
    return passing if isinstance(passing, CancelledError) else None
