"""Takes processes into the system, or tells them why not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from civitas.cluster.frames import Kind, own_version
from civitas.cluster.guests import Guests
from civitas.cluster.members.admission import (
    Epoch,
    Hello,
    comes_back,
    is_of_another_version,
    refusal,
)
from civitas.cluster.members.roster import Member, NextProcess, Roster
from civitas.cluster.peers import Peer, way_to
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError, StartFailed
from civitas.launch import PidWatch, pid_space
from civitas.transport.contract import Link, Transport

__all__ = ["Admitting"]

logger = logging.getLogger("civitas")

_REFUSALS = 32
"""How many at once are told that they were refused, or stand by."""
_HEARD = 5.0
"""Seconds for a process to hear that."""


class Admitting:
    """The root's side of a process's way in.

    Args:
        roster: The processes.
        seal: Of the system.
        boot: Of the root.
        transport: Of the root.
        meet: Makes a way to a process: its name, boot id and address.
        welcome: What a process is told that is taken in.
        came: Called when one is there.
        gone: Called when one that was there is not any more, with why.
        ended: Called when one on this machine that somebody else started has ended.
        guests: Those that only want to ask something.
    """

    def __init__(
        self,
        roster: Roster,
        seal: Seal,
        boot: str,
        transport: Transport,
        *,
        meet: Callable[[str, str, str], Peer],
        welcome: Callable[[Member], Mapping[str, Any]],
        came: Callable[[Member], None],
        gone: Callable[[Member, str], None],
        ended: Callable[[Member], None],
        guests: Guests,
    ) -> None:
        self._guests = guests
        self._roster = roster
        self._seal = seal
        self._boot = boot
        self._transport = transport
        self._meet = meet
        self._welcome = welcome
        self._came = came
        self._gone = gone
        self._ended = ended
        self._refused: set[Link] = set()
        """The ways to those that were told so a moment ago."""

    def belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        """Whether the sender of a frame has the token of this system, or is of another version and told that."""
        # Who says hello does not know the boot id of the root yet.
        if self._seal.fits(kind, boot, "" if kind == Kind.HELLO else self._boot, *fields):
            return True
        if kind != Kind.HELLO:
            return False
        hello = Hello.of(fields[0])
        return is_of_another_version(hello, self._roster.get(hello.name))

    def hello(self, boot: str, plain: Mapping[str, Any]) -> None:
        """A process wants to join."""
        if self._roster.ending:
            return
        hello = Hello.of(plain)
        if hello.joined and self._roster.opening:
            return  # it asks again
        member = self._roster.get(hello.name)
        if member is not None and comes_back(hello, member):
            self._gone(member, "it lost the root and is coming back")
        names = tuple(each.name for each in self._roster)
        epoch = Epoch(self._roster.ending, own_version(), names, self._guests.refusal())
        why = refusal(hello, member, epoch)
        if hello.guest and not why:
            self._guests.hello(boot, hello)
        elif member is None or why:
            self._refuse(hello, boot, why)
        elif member.peer is not None:
            self._let_stand_by(member, hello, boot)
        else:
            self._admit(member, hello, boot)

    def _let_stand_by(self, member: Member, hello: Hello, boot: str) -> None:
        known, member.successor = member.successor, NextProcess(hello, boot, time.monotonic())
        if known is None or known.boot != boot:
            self._say(
                hello, boot, Kind.LATER, f"process {member.name!r} is there (pid {member.pid})"
            )

    def place_is_free(self, name: str) -> None:
        """A process is gone: take in another one of its name that stands by."""
        member = self._roster.get(name)
        if member is None or member.peer is not None or self._roster.ending:
            return
        next_one, member.successor = member.successor, None
        if next_one is not None and next_one.is_there:
            self._admit(member, next_one.hello, next_one.boot)

    def _admit(self, member: Member, hello: Hello, boot: str) -> None:
        try:
            peer = self._meet(member.name, boot, hello.address)
            peer.introduce(Kind.WELCOME, self._seal, dict(self._welcome(member)))
        except Exception as error:  # there is no way to it, however often it asks
            why = f"there is no way to it: {type(error).__name__}: {error}"
            self._fail(member, ConfigurationError(why))
            raise
        if member.is_foreign and hello.pid_space == pid_space() != "":
            member.watch = PidWatch(hello.pid, lambda: self._ended(member))
        member.arrived(peer, hello.pid, hello.pid_space)
        member.topology = hello.topology
        member.civitas = hello.civitas
        self._came(member)

    def _refuse(self, hello: Hello, boot: str, why: str) -> None:
        level = (
            logging.DEBUG if hello.guest else logging.WARNING
        )  # that one hears it, and asks again
        logger.log(level, "a process was refused: %s", why)
        member = self._roster.get(hello.name)
        if member is not None and hello.token == member.token:
            self._fail(member, ConfigurationError(why))
        self._say(hello, boot, Kind.REFUSED, why)

    def _say(self, hello: Hello, boot: str, kind: Kind, text: str) -> None:
        if len(self._refused) == _REFUSALS:
            return  # it asks again, or somebody looks into its log
        link = way_to(self._transport, hello.address)
        self._refused.add(link)
        stranger = Peer(hello.name, boot, hello.address, link, self._boot)
        stranger.introduce(kind, self._seal, text)
        asyncio.get_running_loop().call_later(_HEARD, self._heard, link)

    def _fail(self, member: Member, error: Exception) -> None:
        """Whoever waits for this process waits in vain."""
        if member.arriving is not None and not member.arriving.done():
            member.arriving.set_exception(StartFailed(member.name, error))

    def _heard(self, link: Link) -> None:
        self._refused.discard(link)
        link.close()
