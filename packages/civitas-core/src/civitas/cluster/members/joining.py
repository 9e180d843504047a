"""How a process finds its root, shows that it belongs to the system, and stays in it."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from civitas.cluster.frames import CLUSTER_VERSION, Kind, own_version
from civitas.cluster.members.admission import Hello
from civitas.cluster.peers import Peer, reach
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError
from civitas.launch import PidWatch, pid_space
from civitas.transport.contract import Transport

__all__ = ["Joining", "new_boot"]

logger = logging.getLogger("civitas")

_UNANSWERED = 5.0
"""Seconds after which it is said that the root does not answer."""
_STILL_THERE = 1.0
"""Seconds after which a process that stands by says so again."""
_LAST_FRAMES = 1.0
"""Seconds for what was sent last to reach the root."""


def new_boot() -> str:
    """An id for a run of a node: who knows it speaks for that, so nobody can guess it."""
    return uuid.uuid4().hex[:16]


class Joining:
    """The way of a member to its root.

    Args:
        name: Of the member.
        address: Where the root is reached.
        token: Shows the root that this process is the one it started; empty for one that somebody else started.
        seal: Of the system.
        transport: Of the member.
        remind: Of a process that the root did not start, and which waits for it however long that takes: seconds after
            which it tells the root again that it is there. None for one that the root started.
        lost: Called with the reason when the root is gone that took this process in.
        silent: Called with the reason when it could not be reached for the node timeout.
        refused: Called with the reason when another root has gone on without it.
        forget: Called when the root is sought: whoever knows this member by then knows it by an id that is over.
        guest: Whether it only wants to ask something, and hosts nothing.
        was_root: Whether it is a guest that has led the system.
        topology: Says which topology it has.
        stands_by: Whether it waits while there is another process of its name, and takes its place then.
    """

    def __init__(
        self,
        name: str,
        address: str,
        token: str,
        seal: Seal,
        transport: Transport,
        *,
        remind: float | None,
        lost: Callable[[str], None],
        silent: Callable[[str], None] | None = None,
        refused: Callable[[str], None] | None = None,
        forget: Callable[[], None],
        guest: bool = False,
        was_root: bool = False,
        topology: str = "",
        stands_by: bool = False,
    ) -> None:
        self.boot = new_boot()
        """Of this membership; another for each root that is sought."""
        self._name = name
        self._address = address
        self._token = token
        self._seal = seal
        self._transport = transport
        self._remind_after = remind
        self._lost_root = lost
        self._silent = silent or lost
        self._refused = refused or lost
        self._forget = forget
        self._guest, self._was_root = guest, was_root
        self._topology = topology
        self._stands_by = stands_by
        self.on_later: Callable[[str], None] = _nothing
        """Called with who has its place, where it stands by."""
        self._root: Peer | None = None
        self._welcome: asyncio.Future[None] | None = None
        self._reminder: asyncio.TimerHandle | None = None
        self._sought: list[Peer] = []
        self._watch: PidWatch | None = None

    @property
    def root(self) -> Peer:
        """The root, known by its boot id from its welcome on."""
        assert self._root is not None  # it is sought before anything is sent
        return self._root

    @property
    def is_in(self) -> bool:
        """Whether a root has taken this process in."""
        return self._welcome is not None and self._welcome.done()

    @property
    def was_started_elsewhere(self) -> bool:
        """Whether the root did not start this process."""
        return self._remind_after is not None

    # On the way in.

    async def enter(self, ended: asyncio.Future[str]) -> None:
        """Ask the root to be taken in, and wait for its answer.

        Args:
            ended: Done when the member is to end.

        Raises:
            ConfigurationError: The root refused this process, or is not there.
        """
        self._welcome = asyncio.get_running_loop().create_future()
        self._seek()
        either: set[asyncio.Future[Any]] = {self._welcome, ended}
        unanswered = asyncio.get_running_loop().create_task(self._say_unanswered())
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unanswered.cancel()
            await asyncio.wait({unanswered})
        if not self._welcome.done():
            raise ConfigurationError(f"the root did not answer at {self._address}")
        self._welcome.result()
        self._remind_later()

    def _seek(self) -> None:
        # Whoever stood at its address before may have read the last one.
        self.boot = new_boot()
        self._forget()
        # Its boot id is not known before it answers.
        self._root = reach(self._transport, "root", "", self._address, self.boot, self._lost)
        self._say_hello()
        if self._stands_by:
            self._say_later_that_it_stands_by()

    def _say_later_that_it_stands_by(self) -> None:
        if self._reminder is not None:
            self._reminder.cancel()
        loop = asyncio.get_running_loop()
        self._reminder = loop.call_later(_STILL_THERE, self._stand_by)

    def _stand_by(self) -> None:
        """Say again that this process stands by; another root may lead now."""
        self.root.leave()
        self._root = reach(self._transport, "root", "", self._address, self.boot, self._lost)
        self._say_hello()
        self._say_later_that_it_stands_by()

    def _lost(self) -> None:
        if self._remind_after is not None and not self.is_in:
            self._seek()
        else:
            self._silent("the root is gone")

    def _say_hello(self, *, joined: bool = False, to: Peer | None = None) -> None:
        hello = Hello(
            version=CLUSTER_VERSION,
            civitas=own_version(),
            name=self._name,
            address=self._transport.address,
            pid=os.getpid(),
            pid_space=pid_space(),
            token=self._token,
            joined=joined,
            guest=self._guest,
            was_root=self._was_root,
            stands_by=self._stands_by,
            topology=self._topology,
        ).plain()
        (to or self.root).signal(Kind.HELLO, hello, self._seal.of(Kind.HELLO, self.boot, "", hello))

    async def _say_unanswered(self) -> None:
        """Whoever has read this process's introduction and does not answer takes it for a stranger."""
        heard = None
        while self.root.link is not heard and not self._stands_by:
            heard = self.root.link
            await heard.flushed()
            await asyncio.sleep(_UNANSWERED)
        if self._stands_by:
            return  # it hears who has its place
        logger.warning(
            "process %r: what listens at %s does not answer: it is stopping, or has another token. Both have the same "
            "if one user starts them, from one topology file, with one XDG_STATE_HOME; otherwise give both a "
            "file that `civitas keys new` made, as 'keys' in 'transport'",
            self._name,
            self._address,
        )

    def met(self, boot: str, welcome: Mapping[str, Any]) -> Peer:
        """The root takes this process in."""
        root = self.root
        root.boot = boot
        if self.was_started_elsewhere:
            self._watch_process(welcome)
        return root

    def seek_next(self, place: str, every: float) -> None:
        """Ask again and again whichever root there is whether this process is still one of the system.

        A root that takes it over need not be asked; one that has gone on without it says so.
        """
        self.rest()
        sought = reach(self._transport, "root", "", place, self.boot, _nothing)
        self._sought.append(sought)
        self._say_hello(joined=True, to=sought)
        loop = asyncio.get_running_loop()
        self._reminder = loop.call_later(every, self.seek_next, place, every)

    def follow(self, boot: str, welcome: Mapping[str, Any]) -> None:
        """Another root took this process over, which it did not start."""
        self.rest()
        self._root = reach(self._transport, "root", boot, welcome["address"], self.boot, self._lost)
        self._remind_after = welcome["remind"]
        self._watch_process(welcome)
        self._remind_later()

    def _watch_process(self, welcome: Mapping[str, Any]) -> None:
        """Where the root is on this machine, its end is known at once."""
        if welcome["pid_space"] == pid_space() != "":
            self._watch = PidWatch(welcome["pid"], lambda: self._lost_root("the root is gone"))

    def welcomed(self) -> None:
        """Everything that the root told is taken over."""
        if self._reminder is not None:
            self._reminder.cancel()
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_result(None)

    def refused(self, why: str) -> None:
        """The root does not take this process in, or has gone on without it."""
        if self._sought:
            self._refused(why)
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(ConfigurationError(why))

    # Inside.

    def _remind_later(self) -> None:
        if self._remind_after is not None:
            loop = asyncio.get_running_loop()
            self._reminder = loop.call_later(self._remind_after, self._remind)

    def _remind(self) -> None:
        # A root that could not reach this process for a while has gone on without it, and answers a stranger.
        self._say_hello(joined=True)
        self._remind_later()

    # On the way out.

    def rest(self) -> None:
        """Do nothing any more by itself."""
        for each in self._sought:
            each.leave()
        self._sought.clear()
        if self._reminder is not None:
            self._reminder.cancel()
        if self._watch is not None:
            self._watch.close()

    async def take_leave(self) -> None:
        """Say the last words, and wait for the root to have them, but not for long."""
        if self._root is None or not self._root.boot:  # it was never met
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FRAMES):
                await self._root.link.flushed()
                self._root.cast("left")  # what is urgent would overtake the last answers
                await self._root.link.flushed()


def _nothing(*_: object) -> None: ...
