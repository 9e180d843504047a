"""What a graph's run is doing, what its models used and which of its tools failed, from LangChain's callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp

from civitas_langgraph._tasks import name_of_tool, task_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from civitas.frameworks import Progress, Run
    from civitas.process.trail import StepTaken

__all__ = ["Accounts", "StreamingAccounts"]

_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


class Accounts(BaseCallbackHandler):
    """Callbacks of one run, which may come from several threads.

    Args:
        progress: Where to note what the run is doing.
    """

    run_inline = True
    ignore_retriever = True

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        progress.recounts = (
            False  # a node that is done is not run again, and what it used is not told again
        )
        self._before = progress.before
        if any(self._before):
            progress.uses(*self._before)
        self._requests = 0
        self._used: list[Mapping[str, Any]] = []
        self._tools: dict[UUID, str] = {}
        self._taken: dict[UUID, StepTaken] = {}
        self._failures: list[tuple[str, str]] = []

    def tell(self, run: Run) -> None:
        """Report it in the headers of the run's reply; nothing for models that report no usage."""
        if self._used or any(self._before):
            run.used(*self._usage())
        run.failures(self._failures)

    def _usage(self) -> tuple[int, int, int, int]:
        requests, *tokens = self._before
        read, written, total = (
            before + sum(each.get(name) or 0 for each in self._used)
            for before, name in zip(tokens, _TOKENS, strict=True)
        )
        return requests + self._requests, read, written, total

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and task_of(name, tags, metadata) is not None:
            self._progress.begins(name)
            self._taken[run_id] = self._progress.trail.begins("node", name)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if (step := self._taken.pop(run_id, None)) is not None:
            step.ends()

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if (step := self._taken.pop(run_id, None)) is not None:
            step.ends(None if isinstance(error, GraphBubbleUp) else error)

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self._progress.moves("a model was called")

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        self._progress.moves("a model was called")

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self._progress.moves("a token came")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self._progress.moves("a model failed")

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self._requests += 1
        for each in response.generations:
            usage = (
                getattr(getattr(each[0], "message", None), "usage_metadata", None) if each else None
            )
            if usage:
                self._used.append(usage)
        self._progress.uses(*self._usage())

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._tools[run_id] = tool = name_of_tool(serialized, name)
        self._progress.calls(tool)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        tool = self._ended(run_id)
        if isinstance(output, ToolMessage) and output.status == "error":
            self._failures.append((tool, str(output.text)))

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        tool = self._ended(run_id)
        if not isinstance(error, GraphBubbleUp):
            self._failures.append((tool, f"{type(error).__name__}: {error}"))

    def _ended(self, run_id: UUID) -> str:
        tool = self._tools.pop(run_id, "tool")
        self._progress.called(tool)
        return tool


class StreamingAccounts(Accounts):
    """The same, of a run that is ended when it makes no progress.

    By having these methods, models know that they are to stream; so one that is slow is told from one that hangs.
    """

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        return output
