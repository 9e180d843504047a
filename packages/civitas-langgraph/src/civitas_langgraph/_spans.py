"""From LangChain's callbacks to spans: one for each node, model call and tool call of a graph's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import convert_to_openai_messages
from langgraph.errors import GraphBubbleUp

from civitas.telemetry import names
from civitas.telemetry.providers import UNKNOWN, provider_in, provider_named
from civitas_langgraph._tasks import name_of_model, name_of_tool, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from civitas.frameworks.spans import SpanTree

__all__ = ["GraphSpans"]


class GraphSpans(BaseCallbackHandler):
    """Callbacks of one run.

    LangChain calls `*_start` in the task of what begins, so the node's span can be made current there. It calls the
    ends from other tasks, where nothing can be undone: so only nodes, which have a task of their own, are made current.

    Args:
        tree: The spans of the run.
    """

    run_inline = True

    def __init__(self, tree: SpanTree) -> None:
        self._tree = tree

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if task_of(name, tags, metadata) is not None:
            self._tree.start(run_id, parent_run_id, names.node(name or ""))
        else:  # the graph itself, a subgraph, a prompt, a router
            self._tree.skip(run_id, parent_run_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tree.end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if isinstance(error, GraphBubbleUp):  # an interrupt, or a command for the graph above
            self._tree.end(run_id, {names.INTERRUPTED: True})
        else:
            self._tree.end(run_id, error=error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        invocation_params: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        named = name_of_model(metadata, invocation_params)
        model: str = named or name or "model"
        provider = provider_named((metadata or {}).get("ls_provider")) or provider_in(model)
        attributes: dict[str, Any] = {
            names.GEN_AI_OPERATION: "chat",
            names.PROVIDER: provider or UNKNOWN,
            names.REQUEST_MODEL: model,
        }
        if (content := self._tree.content) is not None and messages:
            attributes[names.INPUT_MESSAGES] = content.messages(
                names.INPUT_MESSAGES, _plain(messages[0])
            )
        # OpenTelemetry's instrumentation of LangChain leaves out models without a name.
        self._tree.start(
            *(run_id, parent_run_id, names.chat(model), attributes),
            current=False,
            only_here=named is None,
        )

    def on_llm_start(self, serialized: dict[str, Any] | None, prompts: Any, **kwargs: Any) -> None:
        self.on_chat_model_start(serialized, prompts, **kwargs)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tree.streams(run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        message = next(
            (getattr(each[0], "message", None) for each in response.generations if each), None
        )
        usage = getattr(message, "usage_metadata", None) or {}
        about = getattr(message, "response_metadata", None) or {}
        read, written = usage.get("input_token_details"), usage.get("output_token_details")
        reasons = _reasons(response)
        attributes: dict[str, Any] = {
            names.RESPONSE_MODEL: about.get("model_name") or about.get("model"),
            names.RESPONSE_ID: about.get("id"),
            names.FINISH_REASONS: reasons or None,
            names.INPUT_TOKENS: usage.get("input_tokens"),
            names.OUTPUT_TOKENS: usage.get("output_tokens"),
            names.CACHE_READ_TOKENS: (read or {}).get("cache_read") or None,
            names.CACHE_WRITE_TOKENS: (read or {}).get("cache_creation") or None,
            names.REASONING_TOKENS: (written or {}).get("reasoning") or None,
        }
        if (content := self._tree.content) is not None and message is not None:
            attributes[names.OUTPUT_MESSAGES] = content.answer(
                names.OUTPUT_MESSAGES,
                message.content,
                getattr(message, "tool_calls", ()),
                next(iter(reasons), None),
            )
        self._tree.end(run_id, attributes)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._tree.end(run_id, error=error)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        tool = name_of_tool(serialized, name)
        attributes = {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: tool,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: tool_call_id,
        }
        if (content := self._tree.content) is not None:
            attributes[names.TOOL_ARGUMENTS] = content.value(
                names.TOOL_ARGUMENTS, input_str if inputs is None else dict(inputs)
            )
        self._tree.start(run_id, parent_run_id, names.execute_tool(tool), attributes, current=False)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        attributes = {names.TOOL_CALL_ID: getattr(output, "tool_call_id", None)}
        if (content := self._tree.content) is not None:
            result = getattr(output, "content", output)
            attributes[names.TOOL_RESULT] = content.value(names.TOOL_RESULT, result)
        self._tree.end(run_id, attributes)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if isinstance(error, GraphBubbleUp):
            self._tree.end(run_id, {names.INTERRUPTED: True})
        else:
            self._tree.end(run_id, error=error)


def _reasons(response: LLMResult) -> list[str]:
    """Why the model stopped, for each of its answers."""
    found = []
    for each in response.generations[0] if response.generations else ():
        about = getattr(getattr(each, "message", None), "response_metadata", None) or {}
        told = {**(each.generation_info or {}), **about}
        reason = told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")
        if isinstance(reason, str):
            found.append(reason)
    return found


def _plain(messages: Any) -> Any:
    """Messages as chat completions have them; a text is that of a completion."""
    return messages if isinstance(messages, str) else convert_to_openai_messages(messages)
