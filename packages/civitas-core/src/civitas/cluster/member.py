"""A member: an OS process that hosts agents of a tree which the root runs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.failures import dump_reason
from civitas.cluster.frames import CLUSTER_VERSION, Kind
from civitas.cluster.lent.store import RemoteStore
from civitas.cluster.letters.holding import HeldBeside, HeldByRoot, HeldEntry, Holder
from civitas.cluster.members.in_hand import InHand, ToldRoot
from civitas.cluster.node import ClusterNode, new_boot
from civitas.cluster.peers import Peer
from civitas.cluster.recipe import follow, recipe_of
from civitas.cluster.remote_parts import RemoteModel, RemoteTool
from civitas.errors import ConfigurationError, SupervisionError
from civitas.events import Event
from civitas.launch import PidWatch, pid_space
from civitas.message import Message, dumps
from civitas.models import TracedModel
from civitas.node import Recipient
from civitas.node.administration import holding_if_waiting
from civitas.process import (
    AgentProcess,
    Caller,
    Cell,
    Delivery,
    ExitReason,
    Status,
)
from civitas.supervision import ConversationPool, ConversationPoolProcess, Parent, Placed
from civitas.telemetry import forwarding
from civitas.tools import ToolRegistry
from civitas.transport.contract import Detour

__all__ = ["Maker", "MemberNode"]

logger = logging.getLogger("civitas")

_REPORT_EVERY = 0.25
"""Seconds between two looks at what waits in the mailboxes."""
_UNANSWERED = 5.0
"""Seconds after which it is said that the root does not answer."""
_LAST_FRAMES = 1.0
"""Seconds for what was sent last to reach the root."""


class Maker(Protocol):
    """Makes the agents of a member."""

    def __call__(self, name: str) -> AgentProcess | ConversationPool:
        """Make what the topology calls `name`; imports its module.

        Raises:
            BaseException: Whatever its module or constructor raises.
        """


def _nothing() -> None: ...


class MemberNode(ClusterNode):
    """A node that hosts agents for the root.

    Args:
        root: Where the root is reached.
        own_token: Shows the root that this process is the one it started.
        make: Makes the agents.
        in_hand: Where to note what is in hand; None where the root says so later.
        remind: Of a process that the root did not start, and which waits for it however long that takes: seconds after
            which it tells the root again that it is there. None for one that the root started.
        **parts: Of `ClusterNode`.
    """

    def __init__(
        self,
        name: str,
        *,
        root: str,
        own_token: str,
        make: Maker,
        in_hand: Path | None,
        remind: float | None = None,
        **parts: Any,
    ) -> None:
        self._held_by_root = HeldByRoot()
        letters = {"holder_for": self.holder_for, "to_be_held": self._held_by_root}
        super().__init__(name, letters=letters, **parts)
        self._root_address = root
        self._own_token = own_token
        self._make = make
        self._in_hand: InHand | None = None
        self._note_in_hand(in_hand)
        self._remind_after = remind
        self._reminder: asyncio.TimerHandle | None = None
        self._root_watch: PidWatch | None = None
        self._root: Peer | None = None
        self._welcome: asyncio.Future[None] | None = None
        self._hosted: dict[str, Cell | ConversationPoolProcess] = {}
        self._spawned: dict[str, AgentProcess] = {}
        self.spans_wanted = ""
        """Which spans of this process the root wants; see `civitas.telemetry.forwarding`."""
        self.root_keeps = False
        """Whether the store of the root outlives it."""
        self.on_system_stop: Callable[[], None] = _nothing
        """Called when the root says that the whole system stops."""
        self._held_beside = HeldBeside(self._held_by_root, self._copy_to_root, self.settle)
        self._reported: dict[str, Any] = {}
        self._next_report: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[str] | None = None
        """Done when this node is to end, with the reason; empty where the root said so."""

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
        self._welcome = self.loop.create_future()
        await self.transport.open(self.receive)
        self._seek_root()
        either: set[asyncio.Future[Any]] = {self._welcome, self.ended}
        unanswered = self.loop.create_task(self._say_unanswered())
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unanswered.cancel()
            await asyncio.wait({unanswered})
        if not self._welcome.done():
            raise ConfigurationError(f"the root did not answer at {self._root_address}")
        self._welcome.result()
        self._report()
        if self._remind_after is not None:
            self._reminder = self.loop.call_later(self._remind_after, self._remind)
        for event_type in (
            "dead_letter",
            "started",
            "crashed",
            "restarted",
            "terminated",
            "gave_up",
        ):
            self.events.on(event_type, self._pass_on)

    def _seek_root(self) -> None:
        # Whoever stood at its address before may have read the last one.
        self.boot = new_boot()
        link = self.transport.connect(self._root_address, self._lost_root)
        # Its boot id is not known before it answers.
        self._root = Peer("root", "", self._root_address, link, self.boot)
        self._say_hello()

    async def _say_unanswered(self) -> None:
        """Whoever has read this process's introduction and does not answer takes it for a stranger."""
        heard = None
        while self._to_root().link is not heard:
            heard = self._to_root().link
            await heard.flushed()
            await asyncio.sleep(_UNANSWERED)
        logger.warning(
            "process %r: who is there at %s does not answer: it stops at this moment, or has another token. Both have "
            "the same where one user starts them, from one topology file, with one XDG_STATE_HOME; else give both a "
            "file that `civitas keys new` made, as 'keys' in 'transport'",
            self.name,
            self._root_address,
        )

    def _lost_root(self) -> None:
        arrived = self._welcome is not None and self._welcome.done()
        if self._remind_after is not None and not arrived:
            self._seek_root()
        else:
            self.end("the root is gone")

    def _say_hello(self, *, joined: bool = False) -> None:
        hello = {
            "version": CLUSTER_VERSION,
            "civitas": version("civitas-core"),
            "name": self.name,
            "address": self.transport.address,
            "pid": os.getpid(),
            "pid_space": pid_space(),
            "token": self._own_token,
            "joined": joined,
        }
        root = self._to_root()
        root.signal(Kind.HELLO, hello, self.seal.of(Kind.HELLO, self.boot, "", hello))

    def _remind(self) -> None:
        # A root that could not reach this process for a while has gone on without it, and answers a stranger.
        self._say_hello(joined=True)
        assert self._remind_after is not None
        self._reminder = self.loop.call_later(self._remind_after, self._remind)

    async def drain(self, timeout: float) -> None:
        """Finish what is there, as this process is about to leave; what is sent to its agents from now on waits.

        Args:
            timeout: Seconds; what is not finished by then is dropped.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.calls.call(self._to_root(), "leave")
                await self.drained()
        except TimeoutError:
            logger.warning(
                "process %r: mailboxes were not empty after drain_timeout=%g s; what is left is dropped",
                self.name,
                timeout,
            )

    async def leave_system(self) -> None:
        """Stop what is hosted, and leave."""
        if self._next_report is not None:
            self._next_report.cancel()
        if self._reminder is not None:
            self._reminder.cancel()
        if self._root_watch is not None:
            self._root_watch.close()
        if self.ended is not None and self.ended.done() and self.ended.result():
            # The root is gone: the next one may start the same agents, and nobody waits for what these still do.
            await asyncio.gather(
                *(each.interrupt() for each in self.registry.values() if isinstance(each, Cell))
            )
        await asyncio.gather(*(each.stop() for each in self._hosted.values()))
        for child in list(self._hosted.values()):
            child.close(Status.TERMINATED, f"its process {self.name!r} ends")
        if self._root is not None and self._root.boot:  # it was met
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_FRAMES):
                    await self._root.link.flushed()
                    self._root.cast("left")  # what is urgent would overtake the last answers
                    await self._root.link.flushed()
        await self.close_links()
        if self._in_hand is not None:
            self._in_hand.close()

    def end(self, why: str) -> None:
        """Let this node end."""
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(why)

    def _pass_on(self, event: Event) -> None:
        self._to_root().cast(
            "event", event.type, event.name, event.node, event.reason, event.message, event.time
        )

    def _to_root(self) -> Peer:
        assert self._root is not None
        return self._root

    # Frames.

    def belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        """Whether the sender of a frame has the token of this system."""
        if kind == Kind.REFUSED and not self.seal:  # an older root told none, and says so now
            return True
        return super().belongs(kind, boot, fields)

    def receive_from_stranger(self, kind: int, boot: str, fields: list[Any]) -> None:
        """Take a frame of the root before it is known, or of a member that was not announced yet."""
        if kind == Kind.REFUSED:
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_exception(ConfigurationError(fields[0]))
        elif kind == Kind.WELCOME and self._root is not None:
            root = self._root
            root.boot = boot
            self._meet_root(fields[0])
            self.peers.met(root)
            for name, other, address in fields[0]["peers"]:
                self._introduce(name, other, address)
            self._take_over(fields[0])
            for facts in fields[0]["facts"]:
                self.letters.learn(Facts(*facts))
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(None)
        else:
            super().receive_from_stranger(kind, boot, fields)

    def _take_over(self, welcome: Mapping[str, Any]) -> None:
        """Use what the root was given in Python, where it is."""
        given = welcome["given"]
        self.spans_wanted = welcome["spans"]
        self.root_keeps = welcome["keeps"]
        if "state_store" in given and not isinstance(self.store, RemoteStore):
            self.store = RemoteStore()
        if isinstance(self.store, RemoteStore):
            self.store.node = self
        if "model_provider" in given:
            here = RemoteModel(self) if welcome["has_llm"] else None
            self.llm = here and TracedModel(here, self.tracing)
        if "tools" in given:
            tools = [RemoteTool(self, *each) for each in welcome["tools"] or ()]
            self.tools = ToolRegistry(tools, self.tracing) if tools else None

    def _meet_root(self, welcome: Mapping[str, Any]) -> None:
        """Take over what a process that the root started was told at its start."""
        if self._remind_after is None:
            return
        with suppress(OSError):  # the root is on another machine
            self._note_in_hand(Path(welcome["in_hand"]))
        if welcome["pid_space"] == pid_space() != "":
            self._root_watch = PidWatch(welcome["pid"], lambda: self.end("the root is gone"))

    def receive_from(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take a frame of another node."""
        if kind == Kind.REFUSED:
            if self.belongs(Kind.REFUSED, peer.boot, fields):  # else another was refused
                self.end(fields[0])
        elif kind == Kind.HELD:
            self._held_by_root.told(fields[0])
        elif kind == Kind.PARCEL:
            self.transport.take_parcel(fields[1])
        else:
            if kind == Kind.SETTLED:
                self._held_by_root.told(fields[0])
            super().receive_from(peer, kind, fields)

    def _note_in_hand(self, file: Path | None) -> None:
        """Count deliveries where the root can read them, should this process die; on another machine, at the root."""
        if file is None:
            self.letters.back.deliveries = ToldRoot(
                self._is_sure, self._tell_begun, self._tell_done
            )
        else:
            self._in_hand = self.letters.back.deliveries = InHand(file)

    def _is_sure(self, agent: str) -> bool:
        cell = self.registry.get(agent)
        return isinstance(cell, Cell) and cell.delivery == Delivery.AT_LEAST_ONCE

    async def _tell_begun(self, id: str) -> None:
        await self.call_root("take_in_hand", id)

    def _tell_done(self, id: str) -> None:
        self._to_root().cast("drop", id)

    def unreadable(self, peer: Peer, why: str) -> None:
        """Let the root end whoever sent it."""
        self._to_root().cast("unreadable", peer.boot, why)

    def _introduce(self, name: str, boot: str, address: str) -> None:
        if boot in self.peers or boot == self.boot:
            return
        peer = self.meet(name, boot, address)
        peer.introduce(Kind.INTRODUCE, self.seal, self.name, self.transport.address)

    def meet(self, name: str, boot: str, address: str) -> Peer:
        """Make a way to another node; what waited for it goes on its way."""
        peer = super().meet(name, boot, address)
        self.letters.names.open_ways_to(boot)
        return peer

    def detour_to(self, boot: str) -> Detour:
        """By way of the root: it reaches every member, or takes it for gone and says so."""
        return lambda parcel: self._to_root().send(Kind.PARCEL, boot, parcel)

    def told(self, peer: Peer, what: str, arguments: list[Any]) -> None:
        """Do what the root says."""
        match what:
            case "facts":
                self.letters.learn(Facts(*arguments[0]))
            case "forget":
                self.letters.names.unlearn(arguments[0])
            case "met":
                self._introduce(*arguments)
            case "leaving":
                self.letters.names.hold_back(arguments[0])
            case "gone":
                boot, why, in_hand = arguments
                self.letters.part(boot, why, in_hand)
            case "hold" if arguments[0] in self._hosted:
                self._hosted[arguments[0]].wait_for_restart()
            case "close" if arguments[0] in self._hosted:
                name, why = arguments
                self._hosted[name].close(Status.STOPPED, why)
            case "discard":
                child = self._hosted.pop(arguments[0], None)
                self._spawned.pop(arguments[0], None)
                if child is not None:
                    child.discard()
            case "stopping":
                self.on_system_stop()
            case "end":
                self.end("")
            case _:
                super().told(peer, what, arguments)

    async def serve(self, peer: Peer, what: str, arguments: list[Any]) -> Any:
        """Do what the root calls for."""
        match what:
            case "start":
                return await self._start(*arguments)
            case "stop":
                child = self._hosted.get(arguments[0])
                if child is not None:
                    await child.stop(*arguments[1:2])
                return None
            case "terminate_child":
                await self._pool(arguments[0]).terminate_child(arguments[1])
                return None
            case "recycle":
                await self._pool(arguments[0]).recycle(arguments[1])
                return None
            case "alive":
                return await self.is_alive(arguments[0])
            case "drain":
                worked = self.letters.is_sending() or any(
                    cell.busy for cell in self.registry.values()
                )
                await self.drained()
                return worked
        return await super().serve(peer, what, arguments)

    # Hosting.

    async def _start(self, name: str, run: int, spec: Mapping[str, Any]) -> dict[str, Any]:
        child = self._hosted.get(name)
        if child is None:
            child = self._hosted[name] = self._host(name, spec)
        await child.start(lambda reason: self._exited(name, run, reason))
        template = (
            child.pool.child if isinstance(child, ConversationPoolProcess) else child.template
        )
        options = template._civitas_options
        return {
            "restart": child.restart,
            "shutdown_timeout": options.shutdown_timeout,
            "size": options.mailbox_size,
            "delivery": options.delivery,
            "max_deliveries": options.max_deliveries,
            "max_live": child.pool.max_live if isinstance(child, ConversationPoolProcess) else 0,
        }

    def _pool(self, name: str) -> ConversationPoolProcess:
        pool = self._hosted.get(name)
        if not isinstance(pool, ConversationPoolProcess):
            raise SupervisionError("not_found", f"there is no pool {name!r} in {self.name!r}")
        return pool

    def _report(self) -> None:
        """Tell the root what changed in the mailboxes here since the last time."""
        now = {name: _state_of(each) for name, each in self._hosted.items()}
        changed = {name: state for name, state in now.items() if self._reported.get(name) != state}
        self._reported = now
        if changed:
            self._to_root().cast("report", changed)
        self._next_report = self.loop.call_later(_REPORT_EVERY, self._report)

    def _host(self, name: str, spec: Mapping[str, Any]) -> Cell | ConversationPoolProcess:
        made: AgentProcess | ConversationPool
        recipe, family = spec.get("recipe"), spec.get("family", "")
        if name in self._spawned:
            made = self._spawned[name]
        elif recipe is not None:
            made = follow(recipe)
        else:
            made = self._make(family or name)
        waiting = self.letters.names.waiting_for(name)
        self.letters.names.unlearn(name)
        child: Cell | ConversationPoolProcess
        if isinstance(made, ConversationPool):
            child = ConversationPoolProcess(made, self, None)
        else:
            child = self.registry[name] = self._with_holder(Cell(made, self, name, family))
        for box in waiting:
            for message in box.emptied():
                cell = self.registry.route(message.recipient, message.conversation, message.id)
                if message.id in self.foreign:
                    self._came_from_root(message, cell)
                cell.entry.push(message)
        return child

    # What the root holds.

    def holder_for(self, facts: Facts) -> Holder | None:
        """The root, for an agent that nothing may be lost for; for one that will be hosted here it gets a copy."""
        if facts.delivery != Delivery.AT_LEAST_ONCE:
            return None
        return self._held_beside if facts.node == self.name else self._held_by_root

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Any:
        """Make room for a conversation."""
        return self._with_holder(super().place(agent, owner, name))

    def _with_holder(self, cell: Any) -> Any:
        if cell.delivery == Delivery.AT_LEAST_ONCE:
            cell.entry = HeldEntry(cell.mailbox, self._held_beside)
        return cell

    def _copy_to_root(self, message: Message) -> None:
        self.letters.out.check(message)
        # Before it is put anywhere: what is said of it must not overtake it on its way to the root.
        self._to_root().send(Kind.HOLD, dumps(message, self.letters.back.serializer))
        self._came_from_root(message, None)

    def _came_from_root(self, message: Message, cell: Recipient | None) -> None:
        self.letters.into.came_from(self._to_root(), message, cell)

    def _exited(self, name: str, run: int, reason: ExitReason) -> None:
        self._to_root().cast("exited", name, run, dump_reason(reason))

    # For processes.

    async def spawn(self, sender: Caller, agent: AgentProcess, supervisor: str | None) -> None:
        """Start `agent` in this process, under a dynamic supervisor of the tree."""
        recipe = recipe_of(agent)
        self._spawned[agent.name] = agent
        try:
            with holding_if_waiting(sender, [agent.name]):
                await self.calls.call(self._to_root(), "spawn", sender.name, supervisor, recipe)
        except BaseException:
            if agent.name not in self._hosted:
                self._spawned.pop(agent.name, None)
            raise

    def hand_over_spans(self, *, exported: bool) -> None:
        """Hand over the spans of this process where the root wants them.

        Args:
            exported: Whether this process exports them itself.
        """
        if self.spans_wanted == "shown" or (self.spans_wanted and not exported):
            forwarding.begin(lambda spans: self._hand_over(spans, exported), self.loop)
            self.tracing.refresh()

    def _hand_over(self, spans: list[dict[str, Any]], exported: bool) -> None:
        if self.peers:  # it has not left yet
            self._to_root().cast("spans", spans, exported)

    async def call_root(self, what: str, *arguments: Any) -> Any:
        """Let the root do something."""
        return await self.calls.call(self._to_root(), what, *arguments)

    async def terminate(self, sender: Caller, name: str) -> bool:
        """End an agent that was spawned; False where it is not there."""
        with holding_if_waiting(sender, [name]):
            ended: bool = await self.calls.call(self._to_root(), "terminate", sender.name, name)
        return ended

    async def monitor(self, watcher: Caller, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""
        if isinstance(self.registry.get(target), Cell):
            return await super().monitor(watcher, target)
        ref: str = await self.calls.call(self._to_root(), "monitor", watcher.name, target)
        return ref

    async def demonitor(self, ref: str) -> None:
        """End a monitor."""
        if not self._monitors.remove(ref):
            await self.calls.call(self._to_root(), "demonitor", ref)

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""
        super().exited(name, reason)
        self._to_root().cast("down", name, dump_reason(reason))

    # Names that are so new that nobody told of them: the root knows.

    async def send(self, sender: Caller | None, to: str, *rest: Any) -> None:
        """Hand a message to the agent `to`."""
        await self._look_up(to)
        await super().send(sender, to, *rest)

    async def ask(self, sender: Caller | None, to: str, *rest: Any) -> Message:
        """Hand a message to the agent `to` and wait for its answer."""
        await self._look_up(to)
        return await super().ask(sender, to, *rest)

    async def stream(
        self, sender: Caller | None, to: str, *rest: Any
    ) -> AsyncGenerator[Message, None]:
        """Hand a message to the agent `to` and yield what it emits, then its answer."""
        await self._look_up(to)
        stream = super().stream(sender, to, *rest)
        try:
            async for message in stream:
                yield message
        finally:
            await stream.aclose()

    async def _deliver_late(self, message: Message) -> None:
        await self._look_up(message.recipient)
        await super()._deliver_late(message)

    async def _look_up(self, name: str) -> None:
        if self.registry.knows(name):
            return
        facts = await self.calls.call(self._to_root(), "whereis", str(name))
        if facts is not None:
            self.letters.learn(Facts(*facts))


def _state_of(child: Cell | ConversationPoolProcess) -> Any:
    """What the root shows of an agent, or of the conversations of a pool."""
    if isinstance(child, Cell):
        return len(child.mailbox)
    return [
        [each.name, str(each.status), each.restarts, len(each.mailbox)]
        for each in child.children
        if isinstance(each, Cell)
    ]
