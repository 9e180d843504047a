"""A connection to one MCP server that runs as an OS process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["Described", "Session", "SessionLost"]

_LAST_WORDS = 5.0
"""Seconds for a server to end by itself when it is closed."""


class SessionLost(Exception):
    """The server has ended."""


class Described:
    """A tool as its server describes it.

    Attributes:
        name: Its name there.
        description: What it is for.
        parameters: JSON Schema of its arguments.
    """

    def __init__(self, listed: Mapping[str, Any]) -> None:
        self.name: str = listed["name"]
        self.description: str = listed.get("description") or listed.get("title") or ""
        self.parameters: Mapping[str, Any] = listed["inputSchema"]


class Session:
    """Starts a server, and speaks to it until it ends.

    The client of the `mcp` package wants to be closed by the task that opened it, so all of it happens in one.

    Args:
        command: The program and its arguments.
        env: Variables for it; of this process's own it gets `PATH`, `HOME` and the like, and no secret.
        cwd: The folder that it starts in; None for this process's.
        lost: Called once when the server ends by itself.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path | None,
        lost: Callable[[], None],
    ) -> None:
        self._command = command
        self._env = env
        self._cwd = cwd
        self._lost = lost
        self._client: Any = None
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.tools: list[Described] = []
        """Those that it has, from `open` on."""

    async def open(self, timeout: float | None) -> None:
        """Start the server and ask it for its tools.

        Raises:
            SessionLost: It ended at once.
            TimeoutError: It did not answer in time.
            OSError: It could not be started.
        """
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(ready))
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.close()
            raise
        if not ready.done():
            self._task.result()  # what went wrong
            raise SessionLost("it ended before it had answered")
        ready.result()

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout: float | None) -> Any:
        """Call a tool; returns what `CallToolResult` says, as plain data.

        Raises:
            SessionLost: The server ended before it had answered.
            TimeoutError: It did not answer in time.
            Exception: It refused the request.
        """
        if self._ended.is_set():
            raise SessionLost("the server has ended")
        calling = asyncio.ensure_future(self._client.call_tool(tool, dict(arguments)))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({calling, ending}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set():  # of that the client says only that something was closed
                raise SessionLost("the server has ended before it had answered")
            return _plain(calling.result())
        finally:
            for each in (calling, ending):
                each.cancel()
            await asyncio.wait({calling})

    async def close(self) -> None:
        """End the server."""
        self._lost = _nothing
        if self._task is None:
            return
        self._ended.set()
        done, _ = await asyncio.wait({self._task}, timeout=_LAST_WORDS)
        if not done:
            self._task.cancel()
            await asyncio.wait({self._task})
        with suppress(asyncio.CancelledError):
            self._task.exception()

    async def _live(self, ready: asyncio.Future[None]) -> None:
        await asyncio.to_thread(import_module, "mcp.client.stdio")  # it takes seconds
        import anyio
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        server = StdioServerParameters(
            command=self._command[0],
            args=[*self._command[1:]],
            env=dict(
                self._env
            ),  # with what the package lets through of this process's: PATH and the like
            cwd=self._cwd,
        )
        async with stdio_client(server, errlog=sys.stderr) as (incoming, outgoing):
            heard, read = anyio.create_memory_object_stream[Any](0)
            listening = asyncio.create_task(self._listen(incoming, heard))
            try:
                async with read, ClientSession(read, outgoing) as client:
                    await client.initialize()
                    self.tools = await _tools_of(client)
                    self._client = client
                    ready.set_result(None)
                    await self._ended.wait()
            finally:
                listening.cancel()
                await asyncio.wait({listening})

    async def _listen(self, incoming: Any, heard: Any) -> None:
        """Hand on what the server says; it says nothing more when it has ended."""
        async with heard:
            async for message in incoming:
                await heard.send(message)
        if not self._ended.is_set():
            self._ended.set()
            self._lost()


async def _tools_of(client: Any) -> list[Described]:
    found: list[Described] = []
    cursor: str | None = None
    while True:
        page = _plain(await client.list_tools(**({} if cursor is None else {"cursor": cursor})))
        found += map(Described, page["tools"])
        cursor = page.get("nextCursor")
        if not cursor:
            return found


def _plain(result: Any) -> dict[str, Any]:
    """A result by the names of the protocol, which the versions of the package call differently."""
    plain: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


def _nothing() -> None:
    """Nobody needs to hear of it."""
