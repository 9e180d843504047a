"""Dead letters of a member on their way to the root, which keeps those of the whole system."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from civitas.cluster.peers import Peer
from civitas.errors import CivitasError, ConfigurationError
from civitas.events import DeadLetterReason
from civitas.message import Message, dumps, loads
from civitas.node.dead.kept import KeptLetters

__all__ = ["LettersForRoot", "take_from_members"]

logger = logging.getLogger("civitas")

_PAUSE = 0.05
"""Seconds in which dead letters gather before they are sent together."""
_AFTER_FAILURE = 1.0
"""Seconds before they are sent again, as there was no root."""
_LAST_WORDS = 1.0
"""Seconds for the last ones to be sent when the process ends."""
_TOGETHER, _BYTES = 200, 1024 * 1024
"""How many travel together at most, and after how many bytes of payloads no more are added."""


class LettersForRoot:
    """Sends the dead letters of a member to the root, some at a time, each time when the root has the last ones.

    So a flood of them takes a bounded part of the way there; what does not fit in memory meanwhile is not kept.

    Args:
        letters: Those that came about here.
        call_root: Lets the root do something, and waits for that.
    """

    def __init__(self, letters: KeptLetters, call_root: Callable[..., Awaitable[Any]]) -> None:
        self._letters = letters
        self._call_root = call_root
        self._task: asyncio.Task[None] | None = None
        letters.changed = self._begin

    def _begin(self) -> None:
        if self._task is None and self._letters:
            self._task = asyncio.get_running_loop().create_task(self._send_all())
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None

    async def _send_all(self) -> None:
        while self._letters:
            await asyncio.sleep(_PAUSE)
            try:
                await self._send_some()
            except CivitasError:
                await asyncio.sleep(_AFTER_FAILURE)

    async def _send_some(self) -> None:
        batch, size = [], 0
        for letter in self._letters.all()[:_TOGETHER]:
            if size > _BYTES:
                break
            batch.append(letter)
            size += len(letter.message.raw)
        told = [[each.reason, each.time, bytes(dumps(each.message))] for each in batch]
        await self._call_root("bury", told)
        for each in batch:
            self._letters.drop(each.number)

    async def close(self, *, root_hears: bool) -> None:
        """Send nothing more; before that the last ones, if there is a root that hears it."""
        self._letters.changed = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if not root_hears:
            return
        try:
            async with asyncio.timeout(_LAST_WORDS):
                while self._letters:
                    await self._send_some()
        except (CivitasError, TimeoutError):
            return  # there is no root to keep them


def take_from_members(
    letters: KeptLetters, stays: Callable[[Message, DeadLetterReason], bool]
) -> Callable[..., Awaitable[None]]:
    """What the root does when a member calls for `bury`.

    Args:
        letters: Those that the root keeps in memory.
        stays: Whether a message stays where it is kept and is none; lets a broker keep it if that has its mailbox, as
            the root reads those of names that several stand behind.
    """

    async def bury(peer: Peer, told: list[tuple[str, float, bytes]]) -> None:
        for text, at, body in told:
            try:
                message, reason = loads(body), DeadLetterReason(text)
            except ConfigurationError as error:
                logger.warning("a dead letter of %r cannot be kept: %s", peer.name, error)
                continue
            if not stays(message, reason) and not letters.kept_elsewhere(message, reason):
                letters.add(reason, at, message)

    return bury
