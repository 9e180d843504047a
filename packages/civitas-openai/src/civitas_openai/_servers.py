"""The MCP servers of an agent: connected while it runs, and started again when they die.

The SDK leaves both to whoever runs an agent; its manager keeps a server's connection in one task, as that must be.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agents import Handoff
from agents.mcp import MCPServerManager

from civitas.frameworks import idempotency_key

if TYPE_CHECKING:
    from agents import Agent
    from agents.mcp import MCPServer

    from civitas.frameworks import Run

__all__ = ["Servers", "agents_of"]

logger = logging.getLogger("civitas")

# Some are packages that are fetched before they start.
_CONNECT_TIMEOUT = 60.0
_KEY = "idempotency-key"


def agents_of(first: Agent[Any], *, tools: bool = True) -> list[Agent[Any]]:
    """`first` and all agents that it leads to, by handoffs and, unless told otherwise, as tools."""
    found = [first]
    for agent in found:
        handoffs = (
            each._agent_ref if isinstance(each, Handoff) else each for each in agent.handoffs
        )
        targets: list[Any] = [
            each() if isinstance(each, weakref.ref) else each for each in handoffs
        ]
        if tools:
            targets += [getattr(tool, "_agent_instance", None) for tool in agent.tools]
        found += [
            each
            for n, each in enumerate(targets)
            if each is not None and not any(each is other for other in [*found, *targets[:n]])
        ]
    return found


class Servers:
    """Those of all agents that one agent leads to.

    Args:
        owner: The agent of Civitas; servers are connected once for all that use them.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._connections: list[_Connection] = []

    async def connect(self, first: Agent[Any]) -> None:
        """Connect the servers of `first` and of all that it leads to.

        Raises:
            ConnectionError: One cannot be connected; those that were are cleaned up.
        """
        try:
            for agent in agents_of(first):
                for server in agent.mcp_servers:
                    connection = _Connection.of(server)
                    if connection not in self._connections:
                        self._connections.append(connection)
                        await connection.use(self._owner)
        except BaseException:
            await self.cleanup()
            raise

    async def cleanup(self) -> None:
        """Clean up those that no other agent uses."""
        while self._connections:
            await self._connections.pop().leave(self._owner)

    def watched(self, server: Any, run: Run) -> Any:
        """What a run uses in place of `server`."""
        for connection in self._connections:
            if connection.server is server:
                return _Watched(connection, run)
        return server


class _Connection:
    """One server, for all agents of this process that use it."""

    def __init__(self, server: MCPServer) -> None:
        self._server = weakref.ref(server)
        self._users: weakref.WeakSet[Any] = weakref.WeakSet()
        self._manager: MCPServerManager | None = None
        self._lock = asyncio.Lock()
        self._known: list[Any] = []

    @classmethod
    def of(cls, server: MCPServer) -> _Connection:
        return _connections.setdefault(server, cls(server))

    @property
    def server(self) -> Any:
        return self._server()

    async def use(self, owner: Any) -> None:
        async with self._lock:
            self._users.add(owner)
            # One that the user connected is the user's to clean up.
            if self._manager is None and getattr(self.server, "session", None) is None:
                await self._connect(owner.name)
            with suppress(Exception):  # some list their tools for a certain agent only
                self._known = await self.server.list_tools()

    async def leave(self, owner: Any) -> None:
        async with self._lock:
            self._users.discard(owner)
            if not self._users and self._manager is not None:
                manager, self._manager = self._manager, None
                await manager.cleanup_all()

    async def tools(self, *about: Any) -> list[Any]:
        """Its tools; if it is dead and cannot be started again, those that it had."""
        try:
            self._known = await self.server.list_tools(*about)
        except Exception as error:
            logger.warning("MCP server %r does not answer: %r", self.server.name, error)
            try:
                await self._revive()
                self._known = await self.server.list_tools(*about)
            except Exception as again:
                logger.warning(
                    "MCP server %r cannot be started again: %s. The calls of its tools fail until it is there",
                    self.server.name,
                    again,
                )
        return self._known

    def doubt(self) -> None:
        """A call failed: ask the server itself for its tools next time, and so whether it lives."""
        with suppress(AttributeError):
            self.server.invalidate_tools_cache()

    async def _revive(self) -> None:
        async with self._lock:
            if self._manager is not None:
                await self._manager.cleanup_all()
                await self._connect("")

    async def _connect(self, owner: str) -> None:
        self._manager = MCPServerManager(
            [self.server],
            strict=True,
            connect_in_parallel=True,
            connect_timeout_seconds=_CONNECT_TIMEOUT,
        )
        error: BaseException | None
        try:
            await self._manager.connect_all()
        except Exception as failed:
            error = failed
        else:
            # Even a strict manager only notes an attempt that was cancelled, as by the end of a server that starts.
            error = self._manager.errors.get(self.server)
        if error is not None:
            whose = f"agent {owner!r}: its " if owner else ""
            raise ConnectionError(
                f"{whose}MCP server {self.server.name!r} cannot be connected: {type(error).__name__}: {error}"
            ) from error


_connections: weakref.WeakKeyDictionary[MCPServer, _Connection] = weakref.WeakKeyDictionary()


class _Watched:
    """A server in a run."""

    def __init__(self, connection: _Connection, run: Run) -> None:
        self._connection = connection
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.server, name)

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> list[Any]:
        return await self._connection.tools(run_context, agent)

    async def call_tool(self, tool_name: str, arguments: Any, meta: Any = None) -> Any:
        call = self._connection.server.call_tool
        more = {} if meta is None else {"meta": meta}
        if self._run.durable and "meta" in inspect.signature(call).parameters:
            more = {"meta": {_KEY: idempotency_key(), **(meta or {})}}
        try:
            return await call(tool_name, arguments, **more)
        except Exception:
            self._connection.doubt()
            raise
