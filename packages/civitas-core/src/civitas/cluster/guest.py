"""`Guest`: asks something of a system that runs elsewhere, without joining it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.desk import Desk
from civitas.cluster.door import Door
from civitas.cluster.frames import Kind
from civitas.cluster.looking import look_from_afar
from civitas.cluster.members.joining import Joining
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.seal import Seal
from civitas.errors import DeliveryError, NodeDown
from civitas.message import Message, decode, encode, loads
from civitas.node.inspecting import Seen
from civitas.process.failures import load_error
from civitas.transport.contract import Transport
from civitas.transport.presence import is_absent

__all__ = ["Guest", "read_answer"]

_NAME = "the command line"
"""What it is called where a root of another version refuses it; no process can have that name."""
_STOPPED = "the system stopped"


class Guest:
    """Reaches the root of a system over its transport.

    Args:
        root: The address of the root.
        token: Of the system.
        transport: Of this process, not open.
        was_root: Whether it has led the system, and wants the answers to what was asked there.
    """

    def __init__(
        self, root: str, token: str, transport: Transport, *, was_root: bool = False
    ) -> None:
        self._root = root
        self._seal = Seal(token)
        self._transport = transport
        self._peers = Peers()
        self._calls = Calls()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._joining = Joining(
            *(_NAME, root, "", self._seal, transport),
            remind=None,
            lost=self._end,
            forget=self._peers.leave,
            guest=True,
            was_root=was_root,
        )
        desk = Desk(_NAME, self._calls, {}, {"end": lambda _: self._end(_STOPPED)})
        self._door = Door(
            _NAME,
            self._peers,
            {Kind.RETURN: self._calls.returned, Kind.CAST: desk.told},
            {Kind.WELCOME: self._welcomed, Kind.REFUSED: lambda _, why, *seal: self._refused(why)},
            lambda kind, boot, fields: self._seal.fits(kind, boot, self._joining.boot, *fields),
            lambda _, why: self._end(why),
        )

    async def enter(self, patience: float) -> bool:
        """Reach the root.

        Args:
            patience: Seconds to wait for its answer.

        Returns:
            Whether there is one.

        Raises:
            ConfigurationError: The way to it cannot be opened, or it refuses.
        """
        await self._door.open(self._transport)
        if await is_absent(self._transport, self._root):
            return False
        try:
            async with asyncio.timeout(patience):
                await self._joining.enter(self._ended)
        except TimeoutError:
            return False
        return True

    async def look(
        self, name: str | None, seconds: float | None, within: float, request: str = ""
    ) -> Seen | None:
        """Look at an agent while the event loop of the root is blocked; see `look_from_afar`.

        The process at which it looks is the root; where that is blocked and does not have the agent, whichever has it.
        """
        look = partial(look_from_afar, self._transport, self._seal)
        root = await look(self._root, name, seconds, within, request)
        if name is None or root is None or root["agent"] is not None or not root["blocked"]:
            return root
        there = await look(None, name, seconds, within)
        return root if there is None else {**there, "blocked": root["blocked"]}

    async def request(self, request: Mapping[str, Any]) -> Any:
        """Let the root do something, and return its answer; who is cancelled here cancels it there.

        Raises:
            NodeDown: It went away before it had answered.
        """
        return decode(await self.call("control", encode(dict(request), "request")))

    async def call(self, what: str, *arguments: Any) -> Any:
        """Call something at the root; who is cancelled here cancels it there.

        Raises:
            NodeDown: It went away before it had answered.
        """
        asking = asyncio.ensure_future(self._calls.call(self._joining.root, what, *arguments))
        either: set[asyncio.Future[Any]] = {asking, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise NodeDown("the system", "root", self._ended.result())
            return asking.result()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def answer_to(self, id: str) -> Message | DeliveryError:
        """The answer to a message that was asked at the root before this one, once there is one.

        Raises:
            NodeDown: The root went away before it had it.
        """
        while not (found := await self.call("answers", [id])):
            pass  # it says so from time to time
        self.cast("fetched", [id])
        return read_answer(*found[0][1:])

    def cast(self, what: str, *arguments: Any) -> None:
        """Say something to the root."""
        self._joining.root.cast(what, *arguments)

    @property
    def has_ended(self) -> bool:
        """Whether the root is gone."""
        return self._ended.done()

    @property
    def root_boot(self) -> str:
        """Which run of the root this is at."""
        return self._joining.root.boot

    def root_is_gone(self, why: str) -> None:
        """Wait for no answer of that any more."""
        self._end(why)

    async def close(self) -> None:
        """Leave. May be called twice, and without `enter`."""
        self._joining.rest()
        await self._joining.take_leave()
        self._peers.leave()
        await self._door.close(self._transport)

    def _welcomed(self, boot: str, welcome: Mapping[str, Any]) -> None:
        root: Peer = self._joining.root
        root.boot = boot
        self._peers.met(root)
        self._joining.welcomed()

    def _refused(self, why: str) -> None:
        self._joining.refused(why)

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)


def read_answer(is_reply: bool = False, answer: Any = None) -> Message | DeliveryError:
    """What a root says of a message that was asked at the one before: its reply, or why there is none."""
    if is_reply:
        return loads(answer)
    error = None if answer is None else load_error(answer)
    if isinstance(error, DeliveryError):
        return error
    why = "another root leads, and nobody there knows what was asked"
    return NodeDown("the agent", "root", why, advice="Ask again")
