"""From CrewAI's events to spans: one for each task, agent, model call and tool call of a crew's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from crewai.events.event_context import SCOPE_ENDING_EVENTS, SCOPE_STARTING_EVENTS

# Not among CrewAI's public names, but the one way to see only this run's events, in order and where they happen.
from crewai.events.stream_context import add_stream_sink, reset_stream_sinks

from civitas.telemetry import names
from civitas.telemetry.providers import provider_at, provider_in, provider_named, provider_of

if TYPE_CHECKING:
    from contextvars import Token

    from civitas.frameworks.spans import SpanTree
    from civitas.telemetry.content import Content
    from civitas_crewai._own_loop import Bridge

__all__ = ["CrewSpans"]


class CrewSpans:
    """Listens to one run, inside its `with` block.

    Args:
        tree: The spans of the run.
        bridge: Once it has ended, what is still heard belongs to nobody.
    """

    def __init__(self, tree: SpanTree, bridge: Bridge) -> None:
        self._tree = tree
        self._bridge = bridge
        self._token: Token[Any] | None = None

    def __enter__(self) -> Self:
        self._token = add_stream_sink(self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._token is not None:
            reset_stream_sinks(self._token)

    def _hear(self, source: Any, event: Any) -> None:
        if self._bridge.over:
            return
        if event.type in SCOPE_STARTING_EVENTS:
            begun = _describe(source, event, self._tree.content)
            if begun is None:
                self._tree.skip(event.event_id, event.parent_event_id)
            else:
                self._tree.start(event.event_id, event.parent_event_id, *begun)
        elif event.type == "llm_stream_chunk":
            self._tree.streams(event.parent_event_id)
        elif event.type in SCOPE_ENDING_EVENTS:
            self._tree.end(
                event.started_event_id, _ended(event, self._tree.content), error=_error(event)
            )


def _describe(
    source: Any, event: Any, content: Content | None
) -> tuple[str, dict[str, Any]] | None:
    """Name and attributes of a span; None for what is only a frame around others."""
    if event.type == "task_started":
        # A task without a name is not called by its description: that is a prompt.
        return names.task(getattr(event.task, "name", None) or ""), {}
    if event.type == "method_execution_started":  # of a flow
        return names.task(event.method_name), {}
    if event.type == "agent_execution_started":
        role = event.agent.role.strip()
        return names.invoke_agent(role), {
            names.GEN_AI_OPERATION: "invoke_agent",
            names.AGENT_NAME: role,
        }
    if event.type == "llm_call_started":
        model = event.model or "model"
        asked = content and content.messages(names.INPUT_MESSAGES, event.messages)
        return names.chat(model), {
            names.GEN_AI_OPERATION: "chat",
            names.PROVIDER: _provider(source, event.model),
            names.REQUEST_MODEL: event.model,
            names.INPUT_MESSAGES: asked,
        }
    if event.type == "tool_usage_started":
        given = content and content.value(names.TOOL_ARGUMENTS, event.tool_args)
        return names.execute_tool(event.tool_name), {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: event.tool_name,
            names.TOOL_TYPE: "function",
            names.TOOL_ARGUMENTS: given,
        }
    return None


def _ended(event: Any, content: Content | None) -> dict[str, Any]:
    """What is known at the end of a model's or a tool's call."""
    if event.type == "llm_call_completed":
        usage = event.usage or {}
        reason = getattr(event, "finish_reason", None)
        answer = event.response if isinstance(event.response, str) else None
        return {
            names.RESPONSE_ID: getattr(event, "response_id", None),
            names.FINISH_REASONS: [reason] if reason else None,
            names.INPUT_TOKENS: usage.get("prompt_tokens"),
            names.OUTPUT_TOKENS: usage.get("completion_tokens"),
            names.CACHE_READ_TOKENS: usage.get("cached_prompt_tokens") or None,
            names.CACHE_WRITE_TOKENS: usage.get("cache_creation_tokens") or None,
            names.REASONING_TOKENS: usage.get("reasoning_tokens") or None,
            names.OUTPUT_MESSAGES: content
            and answer
            and content.answer(names.OUTPUT_MESSAGES, answer, (), reason),
        }
    if event.type == "tool_usage_finished" and content is not None:
        return {names.TOOL_RESULT: content.value(names.TOOL_RESULT, event.output)}
    return {}


def _provider(model: Any, name: Any) -> str:
    """Who serves a model of CrewAI's."""
    url = getattr(model, "base_url", None) or getattr(model, "api_base", None)
    known = provider_at(url) if url else None
    return (
        known
        or provider_in(name)
        or provider_named(getattr(model, "provider", None))
        or provider_of(model)
    )


def _error(event: Any) -> type[BaseException] | str | None:
    if not event.type.endswith(("_failed", "_error")):
        return None
    error = getattr(event, "error", None)
    if isinstance(error, BaseException):
        return type(error)
    return getattr(event, "error_type", None) or str(error)[:200]
