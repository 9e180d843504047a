"""A member: an OS process that hosts agents of a tree which the root runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.dead_letters import LettersForRoot
from civitas.cluster.desk import Desk
from civitas.cluster.door import Door, Take
from civitas.cluster.durable.at_member import MemberMailboxes
from civitas.cluster.durable.broker import Broker
from civitas.cluster.errands import Errands
from civitas.cluster.following import Following
from civitas.cluster.frames import Kind
from civitas.cluster.hosting import Hosted, Hosting, Maker
from civitas.cluster.lent.borrowing import borrow, expect
from civitas.cluster.letters.by_root import Detours
from civitas.cluster.letters.holding import Held
from civitas.cluster.letters.letters import Letters
from civitas.cluster.lookups import Lookups
from civitas.cluster.member_desk import desk_for_root
from civitas.cluster.member_events import report_events
from civitas.cluster.members.in_hand import Notes
from civitas.cluster.members.joining import Joining
from civitas.cluster.members.neighbours import Neighbours
from civitas.cluster.monitors_at_root import MonitorsAtRoot
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.quiescing import QuiescingMember
from civitas.cluster.seal import Seal
from civitas.cluster.spans import HandedOver, wanted
from civitas.cluster.timers import TimersByRoot
from civitas.errors import ConfigurationError, UnknownAgent
from civitas.message import Message, Serializer, dumps
from civitas.node import Node
from civitas.process import AgentProcess, Caller, Cell, ExitReason
from civitas.supervision import ConversationPool, ConversationPoolProcess, Parent, Placed
from civitas.transport.contract import Transport

__all__ = ["Maker", "MemberNode"]

logger = logging.getLogger("civitas")


class MemberNode(Node):
    """A node that hosts agents for the root.

    Args:
        name: Of the process.
        root: Where the root is reached.
        own_token: Shows the root that this process is the one it started.
        make: Makes the agents.
        in_hand: Where to note what is in hand; None if the root says so later.
        remind: Of a process that the root did not start, and which waits for it however long that takes: seconds after
            which it tells the root again that it is there. None for one that the root started.
        topology: Says which topology it has: a root with another one cannot take it over.
        stands_by: Whether it waits while there is another process of its name, and takes its place then.
        transport: Carries the frames.
        serializer: The format of messages.
        token: Of the system: who has it may join.
        broker: What keeps messages; None if nothing does.
        **parts: Of `Node`.
    """

    def __init__(
        self,
        name: str,
        *,
        root: str,
        own_token: str,
        make: Maker,
        in_hand: Path | None,
        transport: Transport,
        serializer: Serializer,
        token: str,
        remind: float | None = None,
        topology: str = "",
        stands_by: bool = False,
        broker: Broker | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(name, keeps_runs=False, **parts)
        self.transport = transport
        self.peers = Peers()
        self.calls = Calls()
        self.on_system_stop: Callable[[], None] = lambda: None  # as the root says
        self.on_taken_over: Callable[[], None] = lambda: None  # by another root
        self.on_handed_over: Callable[[], None] = lambda: self.root_is_gone("the root was stopped")
        self.ended: asyncio.Future[str] | None = None
        """Done when this node is to end, with the reason; empty if the root said so."""
        self._seal = Seal(token)
        self._joining = Joining(
            *(name, root, own_token, self._seal, transport),
            remind=remind,
            lost=self.root_is_gone,
            silent=self._root_is_silent,
            refused=self.end,
            forget=self.peers.leave,
            topology=topology,
            stands_by=stands_by,
        )
        self._held = Held(name, self._copy_to_root, self.settle)
        self._letters = Letters(
            *(self, self.peers, self.calls, serializer, lambda: self.loop),
            holder_for=self._held.holder_for,
            to_be_held=self._held.by_root,
        )
        self.asked, self.recording = self._letters.asked, self._letters.recording
        met = self._letters.names.open_ways_to
        self._neighbours = Neighbours(name, self._seal, transport, self.peers, self._joining, met)
        self._following = Following(
            name, topology, self._joining, self.calls, self._letters.part, self.end
        )
        self.call_root, self._tell_root = self._following.call, self._following.tell
        Detours(self._letters, self._held, self.call_root, self._tell_root)
        self.timers = TimersByRoot(self.call_root, self._background)
        self._dead = LettersForRoot(self.dead, self.call_root)
        self._lookups = Lookups(self.registry, self._letters, self.call_root, self._tell_root)
        self._notes = Notes(self.registry, self.call_root, self._tell_root)
        self._letters.back.deliveries = self._notes.at(in_hand)
        self._hosting = Hosting(
            name, make, self._settle_in, self._tell_root, lambda *said: expect(self, *said)
        )
        self._errands = Errands(self._hosting, self.call_root, self.last_words)
        self._monitors_at_root = MonitorsAtRoot()
        self._mailboxes = MemberMailboxes(self, self._letters, self._joining, self._hosting, broker)
        self.records = HandedOver(self.peers, self._tell_root, self.tracing)
        self._quiescing = QuiescingMember(self, self._letters, self._mailboxes.pass_on)
        self._for_root = desk_for_root(self)
        self._for_others = Desk(name, self.calls, self._mailboxes.asked_by_all, {})
        self._door = self._make_door()

    def _make_door(self) -> Door:
        takes: dict[Kind, Take] = {
            **self._letters.takes,
            Kind.SETTLED: self._held.before(self._letters.out.settled),
            Kind.HELD: lambda _, ids: self._held.by_root.told(ids),
            Kind.PARCEL: self._neighbours.take_parcel,
            Kind.REFUSED: self._refused,
            Kind.CALL: lambda peer, *call: self._desk_for(peer).called(peer, *call),
            Kind.CAST: lambda peer, *cast: self._desk_for(peer).told(peer, *cast),
        }
        meets: dict[Kind, Take] = {
            Kind.WELCOME: self._welcomed,
            Kind.REFUSED: lambda _, why, *seal: self._joining.refused(why),
            Kind.INTRODUCE: self._neighbours.introduced,
            Kind.LATER: lambda _, who, *seal: self._joining.on_later(who),
        }
        unreadable = lambda peer, why: self._tell_root("unreadable", peer.boot, why)  # noqa: E731
        return Door(self.name, self.peers, takes, meets, self._belongs, unreadable)

    def _desk_for(self, peer: Peer) -> Desk:
        """What is hosted here is the root's business alone."""
        return self._for_root if peer is self._joining.root else self._for_others

    # Life.

    def attach(self) -> None:
        """Take the running event loop as the one everything happens on."""
        super().attach()
        self.ended = self.loop.create_future()

    async def enter(self) -> None:
        """Join the system.

        Raises:
            ConfigurationError: The root refused it.
        """
        assert self.ended is not None  # `attach` made it
        await self._door.open(self.transport)
        await self._joining.enter(self.ended)
        self._hosting.report()
        self._lookups.watch()
        report_events(self.events, self._tell_root)

    async def drain(self, timeout: float) -> None:
        """Finish what is there, in `timeout` seconds, as this process is about to leave; what is sent here waits."""
        try:
            async with asyncio.timeout(timeout):
                await self.call_root("leave")
                await (self._quiescing.pass_on() if await self._is_succeeded() else self.drained())
        except TimeoutError:
            said = "process %r: not all was handled in drain_timeout=%g s; the rest was dropped"
            logger.warning(said, self.name, timeout)

    async def _is_succeeded(self) -> bool:
        """Whether another process goes on with what is left here, and answers it."""
        try:
            return bool(await self.call_root("succeeds"))
        except ConfigurationError:  # an older root
            return False

    def waits_for_place(self, told: Callable[[str], None]) -> None:
        """Call `told` with who has the place of this process, where it stands by."""
        self._joining.on_later = told

    async def leave_system(self) -> None:
        """Stop what is hosted, and leave."""
        self._joining.rest()
        self._following.close()
        self._mailboxes.end()
        if root_is_gone := bool(self.ended and self.ended.done() and self.ended.result()):
            # The next one may start the same agents, and nobody waits for what these still do.
            await self.registry.interrupt()
        await self._hosting.stop_all()
        await self._mailboxes.close()
        self.records.last()
        await self._dead.close(root_hears=not root_is_gone)
        await self._joining.take_leave()
        self._lookups.close()
        await self.calls.close()
        self.peers.leave()
        await self._door.close(self.transport)
        self._notes.close()

    def end(self, why: str) -> None:
        """Let this node end."""
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(why)

    async def drained(self) -> None:
        """Wait until no agent here works, and none elsewhere on what was sent from here."""
        await super().drained()
        await self._letters.drained()

    async def matching(self, pattern: str) -> Any:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        return await self.call_root("matching", pattern)

    # The others.

    def _belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        if kind == Kind.REFUSED and not self._seal:  # an older root told none, and says so now
            return True
        return self._seal.fits(kind, boot, self._joining.boot, *fields)

    def _welcomed(self, boot: str, welcome: Mapping[str, Any]) -> None:
        """The root takes this process in, or takes it over from the last one."""
        if self._joining.is_in:
            self._taken_over(boot, welcome)
            return
        root = self._joining.met(boot, welcome)
        self.peers.met(root)
        self._letters.inherit(welcome.get("former", ()), root)
        self._following.begin(welcome)
        if self._joining.was_started_elsewhere:
            with suppress(OSError):  # the root is on another machine
                self._letters.back.deliveries = self._notes.at(Path(welcome["in_hand"]))
        self.records.wants(*wanted(welcome))
        borrow(self, welcome, self.call_root)
        self._joining.welcomed()

    def _taken_over(self, boot: str, welcome: Mapping[str, Any]) -> None:
        if self._following.takes_over(boot, welcome):
            self.peers.met(self._joining.root)
            self._letters.inherit(welcome.get("former", ()), self._joining.root)
            self.records.asked(*wanted(welcome))
            borrow(self, welcome, self.call_root)
            self._hosting.taken_over()
            self.on_taken_over()

    async def _root_passes_on(self, root: Peer) -> None:
        """Send it nothing more of what becomes of its messages, and wait until it has what was sent before."""
        self._letters.passes(root, self._joining.boot)
        await root.link.flushed()

    async def _hosted(self, _: Peer) -> dict[str, Any]:
        """What the root that leads now finds here."""
        met = [boot for boot, peer in self.peers.items() if peer is not self._joining.root]
        known = {
            "met": met,
            "gone": self.peers.departed,
            "monitors": self._monitors_at_root.listed(),
        }
        return {"agents": self._hosting.listed(), **known}

    def _root_is_silent(self, why: str) -> None:
        self._following.silent(why)

    def root_is_gone(self, why: str) -> None:
        """The root is gone: wait for the next, or end."""
        self._following.lost(why)

    def _refused(self, peer: Peer, why: str, *seal: Any) -> None:
        if self._belongs(Kind.REFUSED, peer.boot, [why, *seal]):  # else another was refused
            self.end(why)

    # What is hosted, and what the root holds of it.

    def _settle_in(self, made: AgentProcess | ConversationPool, name: str, family: str) -> Hosted:
        """Make room for what is to be hosted; what waits here for it goes there."""
        self._mailboxes.will_host(name, made)
        waiting = self._letters.names.emptied(name)
        child: Hosted
        if isinstance(made, ConversationPool):
            child = ConversationPoolProcess(made, self, None, address=name)
        else:
            cell = self._held.entered(Cell(made, self, name, family))
            child = self.registry[name] = self._mailboxes.entered(cell)
        self._letters.into.moved(self._joining.root, waiting)
        return child

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Any:
        """Make room for a conversation."""
        return self._mailboxes.entered(self._held.entered(super().place(agent, owner, name)))

    def _copy_to_root(self, message: Message) -> None:
        self._letters.out.check(message)
        # Before it is put anywhere: what is said of it must not overtake it on its way to the root.
        self._joining.root.send(Kind.HOLD, dumps(message, self._letters.back.serializer))
        self._letters.into.came_from(self._joining.root, message, None)

    # For processes.

    async def spawn(self, sender: Caller, agent: AgentProcess, supervisor: str | None) -> None:
        """Start `agent` in this process, under a dynamic supervisor of the tree."""
        await self._errands.spawn(sender, agent, supervisor)

    async def terminate(self, sender: Caller, name: str) -> bool:
        """End an agent that was spawned; False if it is not there."""
        return await self._errands.terminate(sender, name)

    async def monitor(self, watcher: Caller, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""
        if isinstance(self.registry.get(target), Cell):
            return await super().monitor(watcher, target)
        ref = self._monitors_at_root.begin(watcher.name, target)
        return str(await self.call_root("monitor", watcher.name, target, ref))

    async def demonitor(self, ref: str) -> None:
        """End a monitor."""
        if not self._monitors.remove(ref):
            self._monitors_at_root.over(ref)
            await self.call_root("demonitor", ref)

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""
        super().exited(name, reason)
        self._monitors_at_root.exited(name)
        self._hosting.exited(name, reason)

    # Names that are used here for the first time: the root knows them.

    def send(self, sender: Caller | None, to: str, *rest: Any) -> Awaitable[None] | None:
        """Hand a message to the agent `to`; what to wait for, or None if it was taken at once."""
        if self._lookups.knows(to):
            return super().send(sender, to, *rest)
        return self._find_and_send(sender, to, *rest)

    async def _find_and_send(self, sender: Caller | None, to: str, *rest: Any) -> None:
        await self._lookups.find(to)
        taking = super().send(sender, to, *rest)
        if taking is not None:
            await taking

    def ask(self, sender: Caller | None, to: str, *rest: Any) -> Coroutine[Any, Any, Message]:
        """Hand a message to the agent `to` and wait for its answer."""
        if self._lookups.knows(to):
            return super().ask(sender, to, *rest)
        return self._find_and_ask(sender, to, *rest)

    async def _find_and_ask(self, sender: Caller | None, to: str, *rest: Any) -> Message:
        await self._lookups.find(to)
        return await super().ask(sender, to, *rest)

    async def stream(
        self, sender: Caller | None, to: str, *rest: Any
    ) -> AsyncGenerator[Message, None]:
        """Hand a message to the agent `to` and yield what it emits, then its answer."""
        if not self._lookups.knows(to):
            await self._lookups.find(to)
        async with aclosing(super().stream(sender, to, *rest)) as stream:
            async for message in stream:
                yield message

    async def look_up(self, name: str) -> None:
        """Find out where an agent is; nobody may have that name."""
        if not self._lookups.knows(name):
            with suppress(UnknownAgent):
                await self._lookups.find(name)
