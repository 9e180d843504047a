"""The OS processes of a system, as the root sees them: who is there, who comes, who is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from civitas.cluster.facts import Facts
from civitas.cluster.failures import RemoteTraceback, node_down
from civitas.cluster.frames import CLUSTER_VERSION, Kind
from civitas.cluster.members.in_hand import read_in_hand
from civitas.cluster.members.incidents import Incidents
from civitas.cluster.node import ClusterNode
from civitas.cluster.peers import Peer
from civitas.cluster.remote_parts import describe_tools
from civitas.errors import ConfigurationError, NodeDown, StartFailed
from civitas.events import EventType
from civitas.launch import Exit, Hold, OsProcess, PidWatch, ProcessOptions, RunFolder, pid_space
from civitas.process import ExitReason
from civitas.state import InMemoryStateStore
from civitas.telemetry import forwarding
from civitas.transport.contract import Link

__all__ = ["Membership"]

logger = logging.getLogger("civitas")

_LAST_WORDS = 5.0
"""Seconds for a process to end by itself when the runtime stops, after its agents did."""
_REFUSALS = 32
"""So many at once are told that they were refused."""
_TOLD_BY_ALL = {"version": int, "civitas": str, "name": str, "address": str, "token": str}
"""What stands in the `HELLO` of every version."""
_A_MOMENT = 1.0
"""Seconds after which it is said that one is waited for."""


@dataclass(eq=False)
class _Member:
    """Another OS process of the topology, whether it runs or not."""

    name: str
    options: ProcessOptions
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    process: OsProcess | None = None
    peer: Peer | None = None
    pid: int | None = None
    pid_space: str = ""
    in_hand: dict[str, int] = field(default_factory=dict)
    """What a process on another machine is handling, and how many of its incarnations were given that."""
    watch: PidWatch | None = None
    """Of one that was started elsewhere, on this machine."""
    was_up: bool = False
    arriving: asyncio.Future[Peer] | None = None
    """Set while somebody waits for it to join."""
    starting: asyncio.Task[Peer] | None = None

    def tried(self, starting: asyncio.Task[Peer]) -> None:
        """A start of it is over."""
        self.starting = None
        if not starting.cancelled():
            starting.exception()  # perhaps nobody waits for it any more

    def is_of(self, hello: Mapping[str, Any]) -> bool:
        """Whether the process that says hello is the one that is there."""
        known = not self.options.start or hello["token"] == self.token
        return (
            known
            and hello["version"] == CLUSTER_VERSION
            and not hello["joined"]
            and (self.pid, self.pid_space) == (hello["pid"], hello["pid_space"])
        )


def _failed(member: _Member, end: Exit) -> StartFailed:
    """What to say of a process that ended before it was ready; the console has its lines already."""
    last = end.last_lines[-1].removeprefix("error: ") if end.last_lines else "it wrote nothing"
    if "No module named 'civitas" in last:
        last = f"civitas-core is not installed there: {last}"
    failed = StartFailed(
        member.name,
        ConfigurationError(f"its process {end.text} before it was ready: {last}"),
    )
    failed.__cause__ = RemoteTraceback("\n".join(end.last_lines))
    return failed


class Membership(ClusterNode):
    """A node that starts the other OS processes of a system, takes them in, and watches them.

    Args:
        processes: The others, by name.
        boot_data: What each is told when it is started, as plain data.
        holds: What each that is started holds together with this one.
        **parts: Of `ClusterNode`.
    """

    def __init__(
        self,
        *,
        processes: Mapping[str, ProcessOptions],
        boot_data: Mapping[str, Any],
        holds: Sequence[Hold] = (),
        **parts: Any,
    ) -> None:
        super().__init__("root", **parts)
        self._members = {name: _Member(name, each) for name, each in processes.items()}
        self._boot_data = boot_data
        self._holds = holds
        self._facts: dict[str, Facts] = {}
        """What every node knows of every agent."""
        self._watching: set[asyncio.Task[Any]] = set()
        self._folder: RunFolder | None = None
        self._incidents = Incidents()
        self._refused: set[Link] = set()
        """The ways to those that were refused a moment ago."""
        self._ending = False

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: show that of each agent in it, before anybody is told."""

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: each agent in it has crashed."""

    def as_told(self, facts: Facts, node: str) -> Facts:
        """What `node` is told of an agent."""
        return facts

    # Life.

    async def assemble(self) -> None:
        """Start every process and wait until each is ready.

        Raises:
            StartFailed: One did not start.
        """
        self._ending = False
        self._folder = RunFolder()
        await self._folder.lock()
        await self.transport.open(self.receive)
        try:
            async with asyncio.TaskGroup() as starts:
                for name in self._members:
                    starts.create_task(self.ready(name))
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from error.__cause__

    async def dismiss(self) -> None:
        """End every process, and leave none behind."""
        self._ending = True
        for member in self._members.values():
            if member.arriving is not None and not member.arriving.done():
                member.arriving.set_exception(self._too_late(member.name))
            if member.peer is not None:
                member.peer.cast("end")
        await self._say_last_words()
        # One that was starting has been killed when this is over.
        starting = [member.starting for member in self._members.values() if member.starting]
        if starting:
            await asyncio.wait(starting)
        # Each ends when it has read that; who does not is let go of, which ends it, too, and is then killed.
        if self._watching:
            await asyncio.wait(self._watching, timeout=_LAST_WORDS)
        running = [
            member.process.end(_LAST_WORDS)
            for member in self._members.values()
            if member.process is not None
        ]
        await asyncio.gather(*running)
        if self._watching:
            await asyncio.wait(self._watching)
        for member in self._members.values():
            member.peer = None
            member.was_up = False
            self._unwatch(member)
        await self.close_links()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    async def _say_last_words(self) -> None:
        """Processes that were started elsewhere outlive the links to them: let those carry what was said."""
        elsewhere = [
            member.peer.link.flushed()
            for member in self._members.values()
            if member.peer is not None and not member.options.start
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(*elsewhere)

    # Members.

    def is_up(self, name: str) -> bool:
        """Whether a process is there."""
        return self._members[name].peer is not None

    def pid_of(self, name: str) -> int | None:
        """The pid of a process; None while it is down."""
        return self._members[name].pid

    def start_timeout_of(self, name: str) -> float | None:
        """Seconds that a process, and each agent in it, may take to start; None for no limit."""
        return self._members[name].options.start_timeout

    def when_up(self, name: str, callback: Callable[[StartFailed | None], None]) -> None:
        """Call `callback` when a process is there, or with the error when it has failed to start."""

        async def wait() -> None:
            try:
                await self.ready(name)
            except StartFailed as error:
                callback(error)
            except Exception as error:  # such as an interpreter that is no longer there
                callback(StartFailed(name, error))
            else:
                callback(None)

        self._watch(wait())

    async def ready(self, name: str) -> Peer:
        """Wait until a process is there; it is started where it is down.

        Raises:
            StartFailed: It did not come.
        """
        member = self._members[name]
        if member.peer is not None:
            return member.peer
        if self._ending:
            raise self._too_late(name)
        if member.starting is None:
            member.starting = self.loop.create_task(self._start(member))
            member.starting.add_done_callback(member.tried)
        # Nobody cancels it: who waits for it may leave, and `dismiss` ends what it waits for.
        return await asyncio.shield(member.starting)

    def _too_late(self, name: str) -> StartFailed:
        return StartFailed(name, NodeDown(name, name, "the runtime stops"))

    async def _start(self, member: _Member) -> Peer:
        member.arriving = self.loop.create_future()
        exited: asyncio.Task[Exit] | None = None
        try:
            if member.options.start:
                process = OsProcess(member.name, member.options)
                try:
                    held = self._held_with_processes()
                    boot = {**self._boot_data, **self._welcome_of(member), "held": held}
                    await process.start(boot, held)
                except ConfigurationError as error:  # there is no such interpreter
                    raise StartFailed(member.name, error) from error
                member.process = process
                exited = self._watch(self._exit_of(member, process))
            # Started elsewhere: the first time somebody may have forgotten it; later its operator knows.
            patient = member.was_up and not member.options.start
            limit = None if patient else member.options.start_timeout
            waiting: set[asyncio.Future[Any]] = {member.arriving}
            if exited is not None:
                waiting.add(exited)
            say = None if member.options.start else self._say_waiting(member, limit)
            try:
                await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if say is not None:
                    say.cancel()
            if member.arriving.done():
                return member.arriving.result()
            if exited is not None and exited.done():
                raise _failed(member, exited.result())
            raise StartFailed(member.name, ConfigurationError(self._not_there(member)))
        except BaseException as error:
            if member.process is not None and member.peer is None:
                member.process.kill()
            if isinstance(error, StartFailed):
                error.incident = uuid.uuid4().hex  # of all the agents that waited for it
            raise
        finally:
            if not member.arriving.done():
                member.arriving.cancel()
            member.arriving = None

    def _held_with_processes(self) -> list[int]:
        assert self._folder is not None
        holds = (*self._holds, self._folder.hold)
        return [each.descriptor for each in holds if each.descriptor is not None]

    def _welcome_of(self, member: _Member) -> dict[str, Any]:
        # Another interpreter has an environment of its own; that of this one would come first there.
        own: dict[str, Any] = {} if member.options.python is None else {"path": []}
        return {
            **own,
            "name": member.name,
            "root": self.transport.address,
            "token": member.token,
            "in_hand": str(self._in_hand(member)),
            "hang_timeout": member.options.hang_timeout,
        }

    def _in_hand(self, member: _Member) -> Path:
        assert self._folder is not None
        return self._folder.path / f"{member.name}.in-hand"

    def _say_waiting(self, member: _Member, limit: float | None) -> asyncio.TimerHandle:
        how_long = "" if limit is None else f" for {limit:g} s"
        return self.loop.call_later(
            _A_MOMENT,
            logger.warning,
            "waiting%s for process %r, which is started elsewhere: civitas run TOPOLOGY --process %s",
            how_long,
            member.name,
            member.name,
        )

    def _not_there(self, member: _Member) -> str:
        limit = f"within its start_timeout of {member.options.start_timeout:g} s"
        if member.options.start:
            return f"process {member.name!r} was not ready {limit}"
        return (
            f"process {member.name!r} has 'start: false' and did not come {limit}; "
            f"start it with `civitas run TOPOLOGY --process {member.name}`"
        )

    async def _exit_of(self, member: _Member, process: OsProcess) -> Exit:
        end = await process.wait()
        self.transport.pump()  # what it sent before it died counts
        if member.process is process:
            member.process = None
        peer = member.peer
        if peer is not None and member.pid == process.pid:
            self._gone(member, peer, end.text)
        return end

    def unreachable(self, boot: str) -> None:
        """A member could not be reached for `node_timeout`: it is down, whatever it does."""
        peer = self.peers.get(boot)
        if peer is not None:
            self.end_member(peer, "it could not be reached for node_timeout")

    def end_member(self, peer: Peer, why: str) -> None:
        """Take a process that does not do what it should for gone, and see to it that it is."""
        member = self._members.get(peer.name)
        if member is None or member.peer is not peer:
            return
        logger.error("process %r: %s", member.name, why)
        if member.process is not None:
            member.process.kill()
        self._gone(member, peer, why)

    def unreadable(self, peer: Peer, why: str) -> None:
        """What a process sent cannot be read: it is broken."""
        self.end_member(peer, f"what it sent cannot be read: {why}")

    def could_not_read(self, peer: Peer, boot: str, why: str) -> None:
        """A process could not read what another one sent to it."""
        if boot == self.boot:
            self.end_member(peer, f"it cannot read what the root sent: {why}")
        elif (sender := self.peers.get(boot)) is not None:
            self.end_member(sender, f"{peer.name!r} cannot read what it sent: {why}")

    def _gone(self, member: _Member, peer: Peer, why: str) -> None:
        """A process is gone."""
        in_hand = read_in_hand(self._in_hand(member)) if self._folder is not None else {}
        in_hand |= member.in_hand
        member.in_hand = {}
        member.peer = member.pid = None
        self._unwatch(member)
        peer.incident = self._incidents.of(peer.boot, in_hand)
        reason = node_down(member.name, peer.incident, why)
        self.lost_with(peer, reason)
        if not self._ending:
            logger.error("process %r is down: %s", member.name, why)
            self._tell_of("node_down", member, "node_down", f"{member.name} is down: {why}")
        for other in self._peers_of_members():
            other.cast("gone", peer.boot, why, in_hand)
        self.letters.part(peer.boot, why, in_hand)
        self.crashed_with(peer, reason)

    def _tell_of(self, type: EventType, member: _Member, reason: str, message: str) -> None:
        """Report what happened to a process."""
        self.events.emit(type, member.name, reason, message, member.name)

    def note_begun(self, peer: Peer, id: str) -> None:
        """A process on another machine is about to handle a message."""
        in_hand = self._members[peer.name].in_hand
        in_hand[id] = in_hand.get(id, 0) + 1

    def note_done(self, peer: Peer, id: str) -> None:
        """It is finished with that."""
        self._members[peer.name].in_hand.pop(id, None)

    def _ended_elsewhere(self, member: _Member) -> None:
        """A process of this machine that somebody else started has ended."""
        self.transport.pump()  # what it sent before it died counts
        if member.peer is not None:
            self._gone(member, member.peer, "it ended")

    def _unwatch(self, member: _Member) -> None:
        if member.watch is not None:
            member.watch.close()
            member.watch = None

    def receive_from(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take a frame of a member; one that is for another, to whom it has no way, goes there from here."""
        if kind != Kind.PARCEL:
            super().receive_from(peer, kind, fields)
        elif (other := self.peers.get(fields[0])) is not None:
            other.send(Kind.PARCEL, *fields[:2])

    def _peers_of_members(self) -> list[Peer]:
        return [member.peer for member in self._members.values() if member.peer is not None]

    def belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        """Whether the sender of a frame has the token of this system, or is of another version and told that.

        Such a one may know of no seals, and shows what it was started with.
        """
        if super().belongs(kind, boot, fields):
            return True
        if kind != Kind.HELLO:
            return False
        hello = fields[0]
        member = self._members.get(hello["name"])
        return (
            all(isinstance(hello[key], kind) for key, kind in _TOLD_BY_ALL.items())
            and hello["version"] != CLUSTER_VERSION
            and member is not None
            and member.options.start
            and secrets.compare_digest(hello["token"], member.token)
        )

    def receive_from_stranger(self, kind: int, boot: str, fields: list[Any]) -> None:
        """Take the first frame of a process that wants to join."""
        if kind != Kind.HELLO or self._ending:
            return
        hello = fields[0]
        member = self._members.get(hello["name"])
        if member is not None and member.peer is not None and member.is_of(hello):
            self._gone(member, member.peer, "it lost the root, and comes back")
        why = self._reason_to_refuse(member, hello)
        if member is None or why:
            self._refuse_member(hello, boot, why)
            return
        peer = self.meet(member.name, boot, hello["address"])
        others = self._peers_of_members()
        given = self._boot_data["root_has"]
        peer.introduce(
            Kind.WELCOME,
            self.seal,
            {
                "in_hand": str(self._in_hand(member)),
                "pid": os.getpid(),
                "pid_space": pid_space(),
                "spans": forwarding.wanted(),
                "given": list(given),
                "has_llm": self.llm is not None,
                "tools": describe_tools(self.tools.values())
                if self.tools and "tools" in given
                else None,
                "keeps": not isinstance(self.store, InMemoryStateStore),
                "facts": [self.as_told(each, member.name).plain() for each in self._facts.values()],
                "peers": [[each.name, each.boot, each.address] for each in others],
            },
        )
        for other in others:
            other.cast("met", peer.name, peer.boot, peer.address)
        member.peer, member.pid, member.was_up = peer, hello["pid"], True
        member.pid_space = hello["pid_space"]
        if not member.options.start and member.pid_space == pid_space() != "":
            member.watch = PidWatch(hello["pid"], lambda: self._ended_elsewhere(member))
        self._tell_of("node_up", member, "", f"{member.name} is up (pid {member.pid})")
        if member.arriving is not None and not member.arriving.done():
            member.arriving.set_result(peer)

    def _reason_to_refuse(self, member: _Member | None, hello: Mapping[str, Any]) -> str:
        name = hello["name"]
        if hello["version"] != CLUSTER_VERSION:
            older = "there" if hello["version"] < CLUSTER_VERSION else "at the root"
            return (
                f"process {name!r} has civitas-core {hello['civitas']}, the root {version('civitas-core')}; "
                f"they speak different wire versions. Upgrade civitas-core {older}"
            )
        if self._ending:
            return "the runtime stops"
        if member is None:
            known = ", ".join(sorted(self._members)) or "none"
            return f"the root's topology names no process {name!r}; it has: {known}"
        if hello["joined"]:
            return f"process {name!r} could not be reached for a while, and the root went on without it"
        if member.peer is not None:
            return f"a process {name!r} is there already (pid {member.pid}); end that one first"
        if member.options.start and hello["token"] != member.token:
            return f"process {name!r} is started by the root; 'start: false' is for one that is not"
        return ""

    def _refuse_member(self, hello: Mapping[str, Any], boot: str, why: str) -> None:
        logger.warning("a process was refused: %s", why)
        member = self._members.get(hello["name"])
        if member is not None and member.arriving is not None and hello["token"] == member.token:
            member.arriving.set_exception(StartFailed(member.name, ConfigurationError(why)))
        if len(self._refused) == _REFUSALS:
            return  # it asks again, or somebody looks into its log
        link = self.transport.connect(hello["address"], lambda: None)
        self._refused.add(link)
        Peer(hello["name"], boot, hello["address"], link, self.boot).introduce(
            Kind.REFUSED, self.seal, why
        )
        self.loop.call_later(_LAST_WORDS, self._refused_long_ago, link)

    def _refused_long_ago(self, link: Link) -> None:
        self._refused.discard(link)
        link.close()

    def _watch(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return task
