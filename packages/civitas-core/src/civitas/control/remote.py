"""The command line's side where the system runs on another machine: its root is reached over the transport."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from civitas.cluster.guest import Guest
from civitas.control.client import NotAnswering, NotRunning, result_of
from civitas.errors import NodeDown
from civitas.node.inspecting import Seen
from civitas.topology.links import Links

__all__ = ["RemoteClient"]

_PATIENCE = 5.0
"""Seconds for a root to answer."""
_SOON = 0.5
"""Seconds after which it is looked whether its event loop is blocked."""


class RemoteClient:
    """Talks to a running system over its transport; an async context manager. Its methods are those of `ControlClient`.

    Args:
        name: Of the system.
        links: The transport.

    Raises:
        NotRunning: On entering: no root answers.
        ConfigurationError: On entering: the transport cannot be used, or the root refuses.
    """

    def __init__(self, name: str, links: Links) -> None:
        self._name = name
        self._links = links

    async def __aenter__(self) -> Self:
        access = self._links.known_access()
        root = self._links.root_address()
        self._guest = Guest(root, access.token, self._links.for_member(access, root, None))
        try:
            self._entering = asyncio.ensure_future(self._guest.enter(_PATIENCE))
            entered, _ = await asyncio.wait({self._entering}, timeout=_SOON)
            is_there = not entered and await self._is_blocked()
            if not is_there and not await asyncio.shield(self._entering):
                raise NotRunning(self._name, None)
        except BaseException:
            await self._leave()
            raise
        return self

    async def _leave(self) -> None:
        self._entering.cancel()
        await asyncio.gather(self._entering, return_exceptions=True)
        await self._guest.close()

    async def _is_blocked(self) -> bool:
        seen = await self.look(None, None, _PATIENCE)
        return seen is not None and seen["blocked"] is not None

    async def look(
        self, name: str | None, seconds: float | None, within: float, request: str = ""
    ) -> Seen | None:
        """Look at an agent while the event loop of the root is blocked; see `Guest.look`."""
        return await self._guest.look(name, seconds, within, request)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._leave()

    async def request(
        self, operation: str, *, within: float | None = None, **arguments: Any
    ) -> Any:
        """Let the system do something; see `ControlClient.request`."""
        try:
            async with asyncio.timeout(within):
                if not await asyncio.shield(self._entering):
                    raise NotAnswering(self._name, _PATIENCE)
                return result_of(await self._guest.request({"op": operation, **arguments}))
        except TimeoutError:
            raise NotAnswering(self._name, within or 0.0) from None
        except NodeDown as error:
            to = str(arguments.get("to", self._name))
            advice = "Start the system again, then repeat the command"
            raise NodeDown(to, "root", "the system stopped", advice=advice) from error
