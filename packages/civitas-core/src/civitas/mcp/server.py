"""`McpServer`: an MCP server as an agent, so that a supervisor starts it again when it dies."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from civitas.errors import ConfigurationError
from civitas.mcp.session import Session, SessionLost
from civitas.mcp.tool import McpTool
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.process.options import check_timeout

__all__ = ["McpServer"]

_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}")


class McpServer(AgentProcess):
    """An MCP server in an OS process of its own, which speaks over its stdin and stdout.

    Its tools are `self.tools` of every agent of the system from the moment it has started; what stands right of it in
    the tree finds them there. If the server dies, the calls under way end in `ToolFailed`, and its supervisor starts it
    again. Calls run beside each other.

    It runs in the root's process; agents of other processes call its tools by way of that.

    Args:
        name: Address of the agent, unique in the system.
        command: The program and its arguments.
        env: Variables for it. Of this process's own it gets `PATH`, `HOME` and the like alone: an API key that it needs
            must be named here.
        cwd: The folder that it starts in; this process's own by default.
        prefix: Stands before the names of its tools, for servers whose tools have the same names.
        timeout: Seconds that a call of a tool may take; None for no bound.
        start_timeout: Seconds until it must have said which tools it has: some are fetched before they start.
        **options: Keywords of `AgentProcess`.

    Raises:
        ConfigurationError: An argument does not fit, the program is not there, or `civitas-core[mcp]` is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        prefix: str = "",
        timeout: float | None = 60.0,
        start_timeout: float | None = 60.0,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        who = f"MCP server {name!r}"
        if find_spec("mcp") is None:
            raise ConfigurationError(f"{who} needs the extra: pip install 'civitas-core[mcp]'")
        given: Any = command
        if isinstance(given, str) or not given or not all(isinstance(each, str) for each in given):
            raise ConfigurationError(
                f"{who}: command must be a list of the program and its arguments, such as ['uvx', 'mcp-server-time']; "
                f"got {command!r}"
            )
        given = prefix
        if not isinstance(given, str) or not _PREFIX.fullmatch(given):
            raise ConfigurationError(
                f"{who}: prefix must be up to 40 letters, digits, _ and -; got {prefix!r}"
            )
        self._command = [*command]
        self._env = dict(env or {})
        self._cwd = None if cwd is None else Path(cwd)
        self._prefix = prefix
        check_timeout(timeout, f"{who}: timeout")
        check_timeout(start_timeout, f"{who}: start_timeout")
        self._timeout, self._start_timeout = timeout, start_timeout
        self._session: Session | None = None

    async def on_start(self) -> None:
        """Start the server, and offer its tools.

        Raises:
            ConfigurationError: The program is not there, or another tool has the name of one of its tools.
            ConnectionError: It did not start.
        """
        if self._civitas_running().node.name != "root":
            raise ConfigurationError(
                f"MCP server {self.name!r} must run in the root's process, by way of which the others call its tools; "
                "leave out `process`"
            )
        program = self._command[0]
        here = self._cwd if "/" in program else None
        if (
            shutil.which(str(here / program) if here else program, path=self._env.get("PATH"))
            is None
        ):
            raise ConfigurationError(
                f"MCP server {self.name!r}: there is no program {program!r}; install it, or write its whole path"
            )
        loop = asyncio.get_running_loop()
        telling: set[asyncio.Task[None]] = set()

        def lost() -> None:
            telling.add(loop.create_task(self.send(self.name, None, "lost")))

        self._session = session = Session(self._command, self._env, self._cwd, lost)
        try:
            await session.open(self._start_timeout)
        except TimeoutError:
            why = f"it did not say which tools it has within {self._start_timeout:g} s"
            raise ConnectionError(f"MCP server {self.name!r} did not start: {why}") from None
        except (SessionLost, OSError, ExceptionGroup) as error:
            raise ConnectionError(
                f"MCP server {self.name!r} did not start: {_first(error)}"
            ) from error
        tools = [
            McpTool(self.name, self._prefix, each, session, self._timeout) for each in session.tools
        ]
        try:
            self._civitas_running().node.offering.offer(self.name, tools)
        except ConfigurationError:
            await session.close()
            raise

    async def handle(self, message: Message) -> Message | None:
        """Crash if the server has ended; answer which tools it has otherwise."""
        if message.type == "lost" and message.sender == self.name:
            raise ConnectionError(
                f"MCP server {self.name!r} has ended; what it said last is in the log of this process"
            )
        assert self._session is not None  # it has started
        return self.reply({"tools": [self._prefix + each.name for each in self._session.tools]})

    async def on_stop(self) -> None:
        """End the server."""
        if self._session is not None:
            await self._session.close()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
