"""From LangChain's callbacks to the chunks of a stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langgraph.constants import TAG_NOSTREAM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from langchain_core.outputs import LLMResult

    from civitas.frameworks import Run

__all__ = ["GraphEvents"]


class GraphEvents(AsyncCallbackHandler):
    """Callbacks of one run that somebody reads.

    LangChain waits for each, so a reader that is slow slows the model.

    Args:
        run: The run.
    """

    raise_error = True

    def __init__(self, run: Run) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._parts: Counter[str] = Counter()
        self._models: dict[UUID, str] = {}
        self._silent: set[UUID] = set()
        """The models that told no token yet."""
        self._tools: dict[UUID, tuple[str, Any, str]] = {}

    # By having these two, LangChain's models know that they are to stream.

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        return output

    async def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if any(tag.startswith("graph:step:") for tag in tags or ()):
            await self._tell(self._run.step(name or "", self._part(metadata, "step")))

    async def on_chat_model_start(
        self,
        serialized: Mapping[str, Any] | None,
        messages: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if TAG_NOSTREAM not in (tags or ()):
            self._models[run_id] = self._part(metadata, "model")
            self._silent.add(run_id)

    async def on_llm_start(
        self, serialized: Mapping[str, Any] | None, prompts: Any, **kwargs: Any
    ) -> None:
        await self.on_chat_model_start(serialized, prompts, **kwargs)

    async def on_llm_new_token(
        self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any
    ) -> None:
        part = self._models.get(run_id)
        message = getattr(chunk, "message", None)
        text = _text(message) if message is not None else token
        if part is not None and isinstance(text, str) and text:
            self._silent.discard(run_id)
            await self._tell(self._run.token(text, part))

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        part = self._models.pop(run_id, None)
        if part is None or run_id not in self._silent:
            return
        self._silent.discard(run_id)
        for generations in response.generations[:1]:
            for each in generations[:1]:
                message = getattr(each, "message", None)
                await self._tell(
                    self._run.token(_text(message) if message is not None else each.text, part)
                )

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._models.pop(run_id, None)
        self._silent.discard(run_id)

    async def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        name: str | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        tool = name or (serialized or {}).get("name") or "tool"
        arguments = _plain(dict(inputs) if inputs is not None else input_str)
        part = self._part(metadata, f"tool/{tool_call_id or tool}")
        self._tools[run_id] = tool, arguments, part
        await self._tell(self._run.tool(tool, arguments, part=part))

    async def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if (begun := self._tools.pop(run_id, None)) is not None:
            tool, arguments, part = begun
            result = output.content if isinstance(output, BaseMessage) else output
            await self._tell(self._run.tool(tool, arguments, _plain(result), part=part))

    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        if (begun := self._tools.pop(run_id, None)) is not None and isinstance(error, Exception):
            tool, arguments, part = begun
            told = f"Error: {type(error).__name__}: {error}"
            await self._tell(self._run.tool(tool, arguments, told, part=part))

    def _part(self, metadata: Mapping[str, Any] | None, what: str) -> str:
        """A name for what begins: the task it is in, which LangGraph names the same when it is run again."""
        task = f"{(metadata or {}).get('langgraph_checkpoint_ns', '')}/{what}"
        self._parts[task] += 1
        return f"{task}/{self._parts[task]}"

    async def _tell(self, chunk: Coroutine[Any, Any, None]) -> None:
        # A node that is no coroutine runs in a thread, and LangChain gives what it calls there a loop of its own.
        if asyncio.get_running_loop() is self._loop:
            await chunk
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(chunk, self._loop))


def _text(message: BaseMessage) -> str:
    content: str | Sequence[Any] = message.content
    if isinstance(content, str):
        return content
    blocks = (
        each if isinstance(each, dict) else {"type": "text", "text": each} for each in content
    )
    return "".join(each.get("text", "") for each in blocks if each.get("type") == "text")


def _plain(value: Any) -> Any:
    """`value` if it can be sent, else its text: what a tool takes and returns may be any object."""
    from civitas.errors import PayloadError
    from civitas.frameworks import plain

    try:
        return plain(value)
    except PayloadError:
        return str(value)
