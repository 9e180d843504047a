"""What the reader of a stream is told about a run: from LangChain's callbacks, and what nodes and tools write."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage, ToolMessage
from langgraph._internal._constants import CONFIG_KEY_RUNTIME, CONFIG_KEY_STREAM
from langgraph.config import get_config
from langgraph.constants import TAG_NOSTREAM
from langgraph.errors import GraphBubbleUp
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import Runtime
from langgraph.types import Command

from civitas_langgraph._payload import plain_or_text
from civitas_langgraph._raw_answers import RawAnswers, messages_in, text_of
from civitas_langgraph._tasks import name_of_tool, task_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from langchain_core.outputs import LLMResult
    from langgraph.store.base import BaseStore
    from langgraph.types import StreamMode

    from civitas.frameworks import Run


__all__ = ["GraphEvents", "Written"]


class GraphEvents(AsyncCallbackHandler):
    """Callbacks of one run that somebody reads.

    LangChain waits for each, so a slow reader slows the model.

    Args:
        run: The run.
        written: What the nodes write to the stream themselves: it is sent in the order in which things happened.
    """

    raise_error = True

    def __init__(self, run: Run, written: Written) -> None:
        self._run = run
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._parts: Counter[str] = Counter()
        self._models: dict[UUID, str] = {}
        self._silent: set[UUID] = set()
        """The models that have not sent a token yet."""
        self._tools: dict[UUID, tuple[str, Any, str, str | None]] = {}
        self._steps: set[str] = set()
        self._raw = RawAnswers()

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
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        task = task_of(name, tags, metadata)
        if task is None:
            return
        self._raw.node_begins(run_id, task, inputs)
        await self._tell(self._step(name or "", task))

    async def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        for text, task in self._raw.node_ends(run_id, outputs):
            await self._tell(self._run.token(text, self._part(task, "message")))

    def cached_step(self, name: str, task: str) -> None:
        """A task ended as soon as it began: its result is from a cache."""
        self._written.later(partial(self._step, name, task))

    async def _step(self, name: str, task: str) -> None:
        # Once, even if it is tried again.
        if task not in self._steps:
            self._steps.add(task)
            await self._run.step(name, f"{task}/step")

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
            task = _task(metadata)
            self._raw.model_begins(task)
            self._models[run_id] = self._part(task, "model")
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
        text = text_of(message) if message is not None else token
        if part is not None and isinstance(text, str) and text:
            self._silent.discard(run_id)
            await self._tell(self._run.token(text, part))

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        said = (
            response.generations[0][0] if response.generations and response.generations[0] else None
        )
        message = getattr(said, "message", None)
        self._raw.model_ends(message)
        part = self._models.pop(run_id, None)
        if part is None or run_id not in self._silent:
            return
        self._silent.discard(run_id)
        if said is not None:
            text = text_of(message) if message is not None else said.text
            await self._tell(self._run.token(text, part))

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
        tool = name_of_tool(serialized, name)
        arguments = plain_or_text(dict(inputs) if inputs is not None else input_str)
        part = self._part(_task(metadata), f"tool/{tool_call_id or tool}")
        self._tools[run_id] = tool, arguments, part, tool_call_id
        await self._tell(self._run.tool(tool, arguments, part=part))

    async def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if (begun := self._tools.pop(run_id, None)) is not None:
            tool, arguments, part, call = begun
            result = plain_or_text(_result(output, call))
            await self._tell(self._run.tool(tool, arguments, result, part=part))

    async def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        begun = self._tools.pop(run_id, None)
        # A tool that asks a human is not done.
        if begun is None or isinstance(error, GraphBubbleUp) or not isinstance(error, Exception):
            return
        tool, arguments, part, _ = begun
        told = f"Error: {type(error).__name__}: {error}"
        await self._tell(self._run.tool(tool, arguments, told, part=part))

    def _part(self, task: str, what: str) -> str:
        """A name for what begins in a task, which LangGraph names the same when it is run again."""
        self._parts[f"{task}/{what}"] += 1
        return f"{task}/{what}/{self._parts[f'{task}/{what}']}"

    async def _tell(self, chunk: Coroutine[Any, Any, None]) -> None:
        async def tell() -> None:
            await self._written.tell()
            await chunk

        # A node that is a plain function runs in a thread, and LangChain gives what it calls there a loop of its own.
        if asyncio.get_running_loop() is self._loop:
            await tell()
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(tell(), self._loop))


def _task(metadata: Mapping[str, Any] | None) -> str:
    return str((metadata or {}).get("langgraph_checkpoint_ns", ""))


def _result(output: Any, call: str | None) -> Any:
    """What a tool returned, as the model reads it: of a command, the text of the message for this call."""
    if isinstance(output, BaseMessage):
        return output.content
    if not _commands(output):
        return output
    told = [each for each in messages_in(output) if isinstance(each, ToolMessage)]
    own = [each for each in told if each.tool_call_id == call] or told
    return own[-1].content if own else None


def _commands(output: Any) -> bool:
    if isinstance(output, list):
        return any(isinstance(each, Command) for each in output)
    return isinstance(output, Command)


class Written:
    """What code that cannot wait has to report of one run, in the order in which it happened.

    LangGraph's own way to hear of it, `astream`, hands it out some turns of the loop later, when what came after it may
    have been told.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._some = asyncio.Event()
        self._telling = asyncio.Lock()
        self._numbers: Counter[str] = Counter()

    def configurable(
        self, see: Callable[[Any], None], modes: Iterable[StreamMode], store: BaseStore | None
    ) -> dict[str, Any]:
        """What makes LangGraph tell us, as it makes a subgraph tell the graph above.

        Args:
            see: Given each part of the stream at once: of which graph, of which mode, what.
            modes: Of these modes.
            store: Of the graph, which takes that of the graph above for its own.
        """
        return {
            CONFIG_KEY_STREAM: StreamProtocol(see, set(modes)),
            CONFIG_KEY_RUNTIME: Runtime(stream_writer=self.write, store=store),
        }

    def write(self, payload: Any) -> None:
        """Take what was given to `get_stream_writer()`, in whatever thread."""
        try:
            task = get_config().get("metadata", {}).get("langgraph_checkpoint_ns", "")
        except RuntimeError:  # in a thread that the user started
            task = ""
        self._numbers[task] += 1
        part = f"{task}/custom/{self._numbers[task]}"
        self.later(partial(self._run.custom, plain_or_text(payload), part))

    def later(self, tell: Callable[[], Awaitable[None]]) -> None:
        """Have something sent as soon as possible, and before anything that comes later."""
        self._waiting.append(tell)
        self._loop.call_soon_threadsafe(self._some.set)

    async def tell(self) -> None:
        """Send what there is so far."""
        if not self._waiting:
            return
        async with self._telling:
            while self._waiting:
                await self._waiting.popleft()()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Inside the block, everything is sent as it comes."""

        async def tell_all() -> None:
            while True:
                await self._some.wait()
                self._some.clear()
                await self.tell()

        teller = asyncio.create_task(tell_all())
        try:
            yield
            await self.tell()
        finally:
            teller.cancel()
            await asyncio.wait([teller])
