"""What comes from inside a run other than by callbacks: what nodes and tools write, and results from a cache."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph._internal._constants import CONFIG_KEY_RUNTIME, CONFIG_KEY_STREAM
from langgraph.config import get_config
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import Runtime

from civitas_langgraph._plain import plain_or_text

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore
    from langgraph.types import StreamMode

    from civitas.frameworks import Run

__all__ = ["Written"]


class Written:
    """What is to be told of one run by code that cannot wait, in the order in which it happened.

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
        """What has LangGraph tell us, as it has a subgraph tell the graph above.

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
        """Have something told as soon as that can be, and before anything that comes later."""
        self._waiting.append(tell)
        self._loop.call_soon_threadsafe(self._some.set)

    async def tell(self) -> None:
        """Tell what there is so far."""
        if not self._waiting:
            return
        async with self._telling:
            while self._waiting:
                await self._waiting.popleft()()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """While inside, all is told as it comes."""

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
