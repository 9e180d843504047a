"""From CrewAI's events to spans: one for each task, agent, model call and tool call of a crew's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from crewai.events.event_context import SCOPE_ENDING_EVENTS, SCOPE_STARTING_EVENTS

# Not among CrewAI's public names, but the one way to see only this run's events, in order and where they happen.
from crewai.events.stream_context import add_stream_sink, reset_stream_sinks

from civitas.telemetry import names

if TYPE_CHECKING:
    from contextvars import Token

    from civitas.frameworks.spans import SpanTree
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
            begun = _describe(event)
            if begun is None:
                self._tree.skip(event.event_id, event.parent_event_id)
            else:
                self._tree.start(event.event_id, event.parent_event_id, *begun)
        elif event.type in SCOPE_ENDING_EVENTS:
            usage = getattr(event, "usage", None) or {}
            self._tree.end(
                event.started_event_id,
                {
                    names.INPUT_TOKENS: usage.get("prompt_tokens"),
                    names.OUTPUT_TOKENS: usage.get("completion_tokens"),
                },
                error=_error(event),
            )


def _describe(event: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and attributes of a span; None for what is only a frame around others."""
    if event.type == "task_started":
        # A task without a name is not called by its description: that is a prompt.
        return names.task(getattr(event.task, "name", None) or ""), {}
    if event.type == "agent_execution_started":
        role = event.agent.role.strip()
        return names.invoke_agent(role), {
            names.GEN_AI_OPERATION: "invoke_agent",
            names.AGENT_NAME: role,
        }
    if event.type == "llm_call_started":
        model = event.model or "model"
        return names.chat(model), {
            names.GEN_AI_OPERATION: "chat",
            names.REQUEST_MODEL: event.model,
        }
    if event.type == "tool_usage_started":
        return names.execute_tool(event.tool_name), {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: event.tool_name,
            names.TOOL_TYPE: "function",
        }
    return None


def _error(event: Any) -> type[BaseException] | str | None:
    if not event.type.endswith(("_failed", "_error")):
        return None
    error = getattr(event, "error", None)
    if isinstance(error, BaseException):
        return type(error)
    return getattr(event, "error_type", None) or str(error)[:200]
