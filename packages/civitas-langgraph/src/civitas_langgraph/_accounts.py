"""What the models of a graph's run used, and which of its tools failed, from LangChain's callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp

from civitas_langgraph._tasks import name_of_tool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from civitas.frameworks import Run

__all__ = ["Accounts"]


class Accounts(BaseCallbackHandler):
    """Callbacks of one run, which may come from several threads."""

    run_inline = True
    ignore_chain = True
    ignore_retriever = True

    def __init__(self) -> None:
        self._requests = 0
        self._used: list[Mapping[str, Any]] = []
        self._tools: dict[UUID, str] = {}
        self._failures: list[tuple[str, str]] = []

    def tell(self, run: Run) -> None:
        """Report it in the headers of the run's reply; nothing for models that report no usage."""
        if self._used:
            run.used(
                self._requests,
                *(
                    sum(each.get(name) or 0 for each in self._used)
                    for name in ("input_tokens", "output_tokens", "total_tokens")
                ),
            )
        run.failures(self._failures)

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self._requests += 1
        for each in response.generations:
            usage = (
                getattr(getattr(each[0], "message", None), "usage_metadata", None) if each else None
            )
            if usage:
                self._used.append(usage)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._tools[run_id] = name_of_tool(serialized, name)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        tool = self._tools.pop(run_id, "tool")
        if isinstance(output, ToolMessage) and output.status == "error":
            self._failures.append((tool, str(output.text)))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        tool = self._tools.pop(run_id, "tool")
        if not isinstance(error, GraphBubbleUp):
            self._failures.append((tool, f"{type(error).__name__}: {error}"))
