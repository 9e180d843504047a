"""The command line's side where the system runs on another machine: its root is reached over the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from civitas.cluster.guest import Guest
from civitas.control.client import NotAnswering, NotRunning, result_of
from civitas.control.marks import PASSING
from civitas.errors import CivitasError, ConfigurationError, NodeDown
from civitas.node.inspecting import Seen
from civitas.topology.links import Links

__all__ = ["RemoteClient"]

_PATIENCE = 5.0
"""Seconds for a root to answer."""
_PASSES_WITHIN = 1.0
"""Seconds in which another root takes over from one that has passed on."""
_LOOK = 0.05
"""Seconds between two looks whether the next root is there."""
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
        self._tries_again = False
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._guest = self._new_guest()
        try:
            self._entering = asyncio.ensure_future(self._enter())
            entered, _ = await asyncio.wait({self._entering}, timeout=_SOON)
            waits = not entered and not self._tries_again
            is_there = waits and await self._is_blocked()
            if not is_there and not await asyncio.shield(self._entering):
                raise NotRunning(self._name, None)
        except BaseException:
            await self._leave()
            raise
        return self

    async def _enter(self) -> bool:
        """Reach the root; for a moment there may be none, while the lead passes from one to another."""
        loop = asyncio.get_running_loop()
        until: float | None = None
        while True:
            refused: ConfigurationError | None = None
            try:
                if await self._guest.enter(_PATIENCE):
                    return True
            except ConfigurationError as error:
                refused = error
            until = until or loop.time() + _PASSES_WITHIN
            if loop.time() >= until:
                if refused is not None:
                    raise refused
                return False
            self._tries_again = True
            await self._begin_again()

    async def _begin_again(self) -> None:
        await self._guest.close()
        await asyncio.sleep(_LOOK)
        self._guest = self._new_guest()

    def _new_guest(self) -> Guest:
        access = self._links.known_access()
        root = self._links.root_address()
        return Guest(root, access.token, self._links.for_member(access, root, None))

    async def _leave(self) -> None:
        tasks = [each for each in (self._entering, self._following) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._guest.close()

    async def _is_blocked(self) -> bool:
        seen = await self.look(None, None, _PATIENCE)
        return seen is not None and seen["blocked"] is not None

    async def look(
        self, name: str | None, seconds: float | None, within: float, request: str = ""
    ) -> Seen | None:
        """Look at an agent while the event loop of the root is blocked; see `Guest.look`."""
        return await self._guest.look(name, seconds, within, request)

    async def _follow(self, before: Guest) -> Guest:
        """Reach the root that leads behind one that has passed on."""
        if self._guest is before and self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._reach_next())
            self._following.add_done_callback(self._has_followed)
        if self._following is not None:
            await asyncio.shield(self._following)
        return self._guest

    def _has_followed(self, _: object) -> None:
        self._following = None

    async def _reach_next(self) -> None:
        while True:
            await self._begin_again()
            with suppress(ConfigurationError, OSError):
                if await self._guest.enter(_PATIENCE):
                    return

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
                request = {"op": operation, **arguments}
                asked = self._guest
                answer = await asked.request(request)
                while answer.get(PASSING):
                    asked = await self._follow(asked)
                    answer = await _answer_of_next(asked, answer, request)
                return result_of(answer)
        except TimeoutError:
            raise NotAnswering(self._name, within or 0.0) from None
        except NodeDown as error:
            to = str(arguments.get("to", self._name))
            advice = "Start the system again, then repeat the command"
            raise NodeDown(to, "root", "the system stopped", advice=advice) from error


async def _answer_of_next(
    guest: Guest, passed: Mapping[str, Any], request: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The answer of the root that leads next to a request that the one before has passed on."""
    # Imported here: most requests do without.
    from civitas.control.operations import refusal_of, reply_as_plain

    try:
        if (asked := passed.get("asked")) is None:
            found: Mapping[str, Any] = await guest.request(request)
            return found
        answer = await guest.answer_to(asked)
    except NodeDown:  # it passes on, too
        return passed
    if isinstance(answer, CivitasError):
        return refusal_of(answer)
    return {"ok": reply_as_plain(answer)}
