"""One OS process of a system of several: moves messages between its agents and those of the others."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from civitas.cluster.elsewhere import Elsewhere, ElsewherePool, Facts
from civitas.cluster.failures import dump_error, load_error
from civitas.cluster.frames import Kind, unpack
from civitas.cluster.holding import Holder
from civitas.cluster.outbox import Outbox
from civitas.cluster.peers import Calls, Peer
from civitas.cluster.seal import Seal
from civitas.cluster.sizes import check_size
from civitas.errors import (
    AgentTerminated,
    AskCycle,
    ConfigurationError,
    DeliveryError,
    HandlerFailed,
    NodeDown,
    PayloadError,
    UnknownAgent,
)
from civitas.message import Message, Serializer, dumps, loads
from civitas.node import AHEAD, Asking, Node, Recipient
from civitas.process import Cell, Delivery
from civitas.transport.contract import Detour, Transport
from civitas.transport.seldom import Seldom

__all__ = ["ClusterNode", "Foreign", "new_boot"]

logger = logging.getLogger("civitas")

_MEETING = (Kind.HELLO, Kind.WELCOME, Kind.REFUSED, Kind.INTRODUCE)
"""The frames of those who do not know each other yet."""
_NOTHING: Mapping[str, int] = MappingProxyType({})
_REMEMBERED = 256
"""So many nodes that are gone are remembered."""
_CHUNKS_AT_ONCE = 10
"""A reader tells of so many chunks it took at once."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message of another node.

    Attributes:
        boot: Of that node.
        cell: The agent of this node that has it, or one of a third node that this one handed it to; None for nobody.
        message: The message.
        asker: The agent that waits for its answer, and so for `cell`; None for nobody.
    """

    boot: str
    cell: Recipient | None
    message: Message
    asker: str | None = None


def new_boot() -> str:
    """An id for a run of a node: who knows it speaks for that, so nobody can guess it."""
    return uuid.uuid4().hex[:16]


class ClusterNode(Node):
    """What the root and the members have in common: the messages.

    Args:
        name: Of the node.
        transport: Carries the frames.
        serializer: The format of messages.
        token: Of the system: who has it may join.
        **parts: Of `Node`.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: Transport,
        serializer: Serializer,
        token: str,
        **parts: Any,
    ) -> None:
        super().__init__(name, **parts)
        self.boot = new_boot()
        self.transport = transport
        self.seal = Seal(token)
        self._turned_away = Seldom(logger)
        self.peers: dict[str, Peer] = {}
        """The other nodes, by boot id."""
        self.calls = Calls()
        self._left: deque[str] = deque(maxlen=_REMEMBERED)
        """The boot ids of nodes that went last: what they sent before that may come later."""
        self._serializer = serializer
        self._by_name: dict[str, Peer] = {}
        self._sent: dict[str, Elsewhere] = {}
        """Where a message stands that another node is not finished with, by its id."""
        self._settled: dict[str, list[str]] = {}
        """Foreign messages that are finished since the last turn of the loop, by boot id."""
        self._held: dict[str, list[str]] = {}
        """Those that came since then, and whose senders wait for this node to have them."""
        self._telling = False
        self._windows: dict[str, asyncio.Semaphore] = {}
        """How many chunks may still be sent to a reader elsewhere, by the id of its request."""

    # Peers.

    def meet(self, name: str, boot: str, address: str) -> Peer:
        """Make a way to another node."""
        link = self.transport.connect(address, lambda: self.unreachable(boot), self.detour_to(boot))
        peer = self.peers[boot] = self._by_name[name] = Peer(name, boot, address, link, self.boot)
        return peer

    def detour_to(self, boot: str) -> Detour | None:
        """Another way to a node that cannot be reached directly; None where there is none."""
        return None

    def unreachable(self, boot: str) -> None:
        """Another node could not be reached for `node_timeout`."""

    def holder_for(self, facts: Facts) -> Holder | None:
        """Who must have what is sent to an agent elsewhere before it is accepted; None for nobody."""
        return None

    def hold_back(self, boot: str) -> None:
        """A node is about to leave: keep what comes for its agents until it has."""
        for each in self.elsewhere():
            if each.boot == boot:
                each.outbox.close_way()

    def part(self, boot: str, why: str, in_hand: Mapping[str, int] = _NOTHING) -> None:
        """A node is gone for good: nothing that was sent to it will be answered.

        Args:
            boot: Which run of it.
            why: What happened to it.
            in_hand: The messages that its agents were handling, by id, and to how many incarnations there each was
                given.
        """
        self._left.append(boot)
        peer = self.peers.pop(boot, None)
        if peer is None:
            return
        if self._by_name.get(peer.name) is peer:
            del self._by_name[peer.name]
        peer.link.close()
        self.calls.lost(peer, why)
        for each in self.elsewhere():
            if each.boot == boot:
                self._lost_with(each, peer.name, why, in_hand)
            elif each.boot is None and each.facts.node == peer.name:
                each.outbox.lost()  # it died before it had started that agent
        for id, foreign in list(self.foreign.items()):
            if foreign.boot == boot:
                self._asker_is_gone(foreign)
                self._end_window(id)

    def _asker_is_gone(self, foreign: Foreign) -> None:
        """Nobody waits any more for the answer to a message; what nobody waited for is handled all the same."""
        if foreign.cell is not None and foreign.message.reply_to is not None:
            reads = foreign.message.wants_chunks
            foreign.cell.withdraw(foreign.message, reader_left=reads)

    def _lost_with(self, each: Elsewhere, node: str, why: str, in_hand: Mapping[str, int]) -> None:
        box, facts = each.outbox, each.facts
        box.lost()
        if facts.delivery == Delivery.AT_LEAST_ONCE and not facts.closed:
            for id, times in in_hand.items():
                message = box.given(id, times, facts.max_deliveries)
                if message is not None:
                    down = HandlerFailed(each.name, "NodeDown", f"its process {node!r}: {why}")
                    self._give_up(message, down, "max_deliveries")
                    self.forget_records(message)
            return
        for lost in box.clear():
            if lost.id in in_hand:
                self.forget_records(lost)
            if facts.closed:
                self._give_up(lost, AgentTerminated(each.name, facts.closed), "terminated")
            else:
                self._give_up(lost, NodeDown(each.name, node, why), "node_down")

    def _give_up(self, message: Message, error: DeliveryError, reason: str) -> None:
        """Nobody elsewhere will handle a message of this node."""
        self._sent.pop(message.id, None)
        self.refuse_here(message, error)
        self.dead_letter(message, reason)

    def is_sending(self) -> bool:
        """Whether another node is not finished with something that this one sent."""
        return any(len(each.outbox) for each in self.elsewhere())

    async def drained(self) -> None:
        """Wait until no agent here works, and none elsewhere on what was sent from here."""
        await super().drained()
        for each in list(self.elsewhere()):
            await each.outbox.drained()

    # Who is elsewhere.

    def elsewhere(self) -> Iterable[Elsewhere]:
        """The agents of other nodes that this one knows, conversations included."""
        for each in list(self.registry.values()):
            if isinstance(each, Elsewhere):
                yield each
        for pool in list(self.registry.pools.values()):
            if isinstance(pool, ElsewherePool):
                yield from pool.all()

    def waiting_for(self, name: str) -> list[Outbox]:
        """What stands here for an agent or a pool of another node, or for one that this node will host."""
        pool, agent = self.registry.pools.get(name), self.registry.get(name)
        boxes = [each.outbox for each in pool.all()] if isinstance(pool, ElsewherePool) else []
        return [*boxes, agent.outbox] if isinstance(agent, Elsewhere) else boxes

    def learn(self, facts: Facts) -> None:
        """Take over what is known now of an agent that another node hosts, or this one will."""
        if facts.behind:
            self.registry.behind.add(facts.name)
        if facts.node == self.name and self._hosts(facts.name):
            return
        known: Elsewhere | ElsewherePool | None
        if facts.kind == "conversation_pool":
            pool = self.registry.pools.get(facts.name)
            known = pool if isinstance(pool, ElsewherePool) else None
            if known is None:
                known = ElsewherePool(facts, self)
                self.registry.pools[facts.name] = known
        else:
            cell = self.registry.get(facts.name)
            known = cell if isinstance(cell, Elsewhere) else None
            if known is None:
                known = Elsewhere(facts, self)
                self.registry[facts.name] = known
        for message in known.learn(facts):
            self._give_up(message, AgentTerminated(facts.name, facts.closed), "terminated")
        if not facts.closed:
            for each in known.all() if isinstance(known, ElsewherePool) else (known,):
                self._open_way_of(each)

    def _open_way_of(self, each: Elsewhere) -> None:
        if each.boot in self.peers and not each.outbox.way_is_open:
            each.outbox.open_way()

    def _hosts(self, name: str) -> bool:
        """Whether an agent or a pool runs here."""
        registry = self.registry
        found = registry.get(name) or registry.pools.get(name) or registry.groups.get(name)
        return found is not None and not isinstance(found, Elsewhere | ElsewherePool)

    def unlearn(self, name: str) -> None:
        """The name of an agent of another node is gone."""
        if isinstance(self.registry.get(name), Elsewhere):
            del self.registry[name]
        if isinstance(self.registry.pools.get(name), ElsewherePool):
            del self.registry.pools[name]
        self.registry.behind.discard(name)

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        names = await super().matching(pattern)
        for pool in list(self.registry.pools.values()):
            # Which conversations are awake is known where they run.
            if isinstance(pool, ElsewherePool) and (peer := self.peers.get(pool.facts.boot or "")):
                with suppress(NodeDown):
                    awake = await self.calls.call(peer, "awake", pool.name)
                    names += [each for each in awake if fnmatchcase(each, pattern)]
        return names

    # Messages to other nodes.

    def check(self, message: Message) -> None:
        """Raise `PayloadError` for a message that no frame can carry."""
        check_size(message, self._serializer)

    def post(self, each: Elsewhere, message: Message) -> None:
        """Send a message on its way; where its process is gone it stays in its outbox."""
        peer = self.peers.get(each.boot or "")
        if peer is None:
            return
        self._sent[message.id] = each
        raw, given = dumps(message, self._serializer), each.outbox.times_given(message.id)
        asker, node = self.asker_of(message)
        sender = self.registry.get(asker) if asker is not None else None
        shuts_down = isinstance(sender, Cell) and sender.shuts_down
        to = message.recipient if each.pool is not None else each.name
        hold = self.is_to_be_held(message)
        try:
            peer.send(Kind.MESSAGE, to, raw, asker, given, node, hold, shuts_down)
        except (
            PayloadError
        ) as error:  # who calls this may be a supervisor, and must not fail for a message
            each.outbox.settled(message.id)
            self._give_up(message, HandlerFailed(each.name, "PayloadError", str(error)), "crashed")

    def is_to_be_held(self, message: Message) -> bool:
        """Whether the sender of a message waits for the node that it goes to to have it."""
        return False

    def asker_of(self, message: Message) -> tuple[str | None, str]:
        """The agent that waits for the answer to a message that is about to leave, and where that runs."""
        name = message.sender or self._by_way_of_runtime.get(message.id)
        if message.reply_to is not None and name is not None:
            sender = self.registry.get(name)
            if sender is not None and message.id in sender.asking:
                return name, self.name
        return None, self.name

    def withdrawn(self, each: Elsewhere, message: Message, reader_left: bool) -> None:
        """Whoever asked is gone: let the agent know, or take the message out where it has not left."""
        peer = self.peers.get(each.boot or "")
        if peer is not None and message.id in self._sent:
            peer.send(Kind.WITHDRAW, message.recipient, message.id, reader_left)
        elif isinstance(here := self.registry.get(each.name), Cell):
            here.withdraw(message, reader_left=reader_left)  # it arrived meanwhile
        elif reader_left and each.outbox.withdraw(message):
            self.dead_letter(message, "no_reader")

    def answer(self, request: Message, reply: Message) -> None:
        """Hand `reply` to whoever waits for an answer to `request`, wherever that is."""
        if request.reply_to is None or request.reply_to == self.name:
            super().answer(request, reply)
            return
        if not self._send_answer(request, dumps(reply, self._serializer)):
            self.dead_letter(reply, "late_reply")

    def _send_answer(self, request: Message, reply: bytes) -> bool:
        """Send a reply to the node whose request it answers; False where that is gone."""
        self._end_window(request.id)
        peer = self._by_name.get(request.reply_to or "")
        if peer is None:
            return False
        self._tell_soon()  # before the link's own turn, so that both travel together
        peer.send(Kind.ANSWER, request.id, reply)
        return True

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""
        if request.reply_to is None or request.reply_to == self.name:
            super().refuse(request, error)
            return
        self._end_window(request.id)
        peer = self._by_name.get(request.reply_to)
        if peer is not None:
            peer.send(Kind.REFUSAL, request.id, dump_error(error))

    def refuse_here(self, request: Message, error: DeliveryError) -> None:
        """The same for a request of this node."""
        super().refuse(request, error)

    def dead_letter(self, message: Message, reason: str) -> None:
        """Count and report a message that nobody will handle; nobody is to send it again."""
        super().dead_letter(message, reason)
        self.settle(message)

    def settle(self, message: Message) -> None:
        """An agent here has finished with a message: its sender may forget it."""
        foreign = self.foreign.pop(message.id, None)
        if foreign is None or foreign.boot not in self.peers:
            return
        self._tell_soon()
        self._settled.setdefault(foreign.boot, []).append(message.id)

    def _has(self, peer: Peer, message_id: str) -> None:
        """A message came whose sender waits for this node to have it."""
        self._tell_soon()
        self._held.setdefault(peer.boot, []).append(message_id)

    def _tell_soon(self) -> None:
        """Tell what is held and what is settled in the next turn of the loop, all of it at once."""
        if not self._telling:
            self._telling = True
            self.loop.call_soon(self._tell_settled)

    def _tell_settled(self) -> None:
        self._telling = False
        held, self._held = self._held, {}
        settled, self._settled = self._settled, {}
        for boot, ids in held.items():
            if boot in self.peers:
                self.peers[boot].signal(Kind.HELD, ids)
        for boot, ids in settled.items():
            if boot in self.peers:
                self.peers[boot].send(Kind.SETTLED, ids)

    async def emit(self, request: Message, chunk: Message) -> None:
        """Hand a chunk to whoever reads the stream that `request` began, wherever that is."""
        if request.reply_to == self.name or not request.wants_chunks:
            await super().emit(request, chunk)
            return
        window = self._windows.setdefault(request.id, asyncio.Semaphore(AHEAD))
        await window.acquire()
        peer = self._by_name.get(request.reply_to or "")
        if peer is None:
            self.dead_letter(chunk, "no_reader")
            return
        try:
            peer.send(Kind.CHUNK, request.id, dumps(chunk, self._serializer))
        except PayloadError:
            window.release()  # nothing was sent
            raise

    def _end_window(self, request_id: str) -> None:
        window = self._windows.pop(request_id, None)
        if window is not None:
            for _ in range(AHEAD):  # who waits for a reader that is gone
                window.release()

    # What comes from other nodes.

    def receive(self, frame: bytes) -> None:
        """Take a frame; one that makes no sense is logged and passed over."""
        try:
            kind, boot, fields = unpack(frame)
            peer = self.peers.get(boot)
            if peer is None:
                if kind not in _MEETING:
                    return  # of a run that is over
                if not self.belongs(Kind(kind), boot, fields):
                    raise ConfigurationError(f"its {Kind(kind).name} shows no token of this system")
        except Exception as error:
            # Nothing is kept of who is none of this system, and he gets no answer.
            self._turned_away.warn("node %r: turned a stranger away: %s", self.name, error)
            return
        try:
            if peer is not None:
                self.receive_from(peer, kind, fields)
            else:
                self.receive_from_stranger(kind, boot, fields)
        except Exception:
            logger.exception("node %r: a frame of another node could not be handled", self.name)

    def belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        """Whether the sender of a frame by which nodes meet has the token of this system."""
        # Who says hello does not know the boot id of the root yet.
        to = "" if kind == Kind.HELLO else self.boot
        return self.seal.fits(kind, boot, to, *fields)

    def receive_from_stranger(self, kind: int, boot: str, fields: list[Any]) -> None:
        """Take a frame of a node that this one has not met, or that is gone."""
        if kind == Kind.INTRODUCE and boot not in self._left:
            name, address = fields[:2]
            self.meet(name, boot, address)

    def receive_from(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take a frame of another node; a kind that is not known comes from a newer one and is passed over."""
        match kind:
            case Kind.CALL:
                id, what, arguments = fields[:3]
                self.calls.serve(peer, id, lambda: self.serve(peer, what, arguments))
            case Kind.RETURN:
                self.calls.returned(*fields[:3])
            case Kind.CANCEL:
                self.calls.cancelled(peer, fields[0])
            case Kind.CAST:
                self.told(peer, fields[0], fields[1])
            case Kind.MESSAGE | Kind.HOLD | Kind.WITHDRAW | Kind.ROOM:
                self._receive_request(peer, kind, fields)
            case Kind.ANSWER | Kind.REFUSAL | Kind.SETTLED | Kind.CHUNK:
                self._receive_result(peer, kind, fields)
            case Kind.PROBE:
                self._probe(*fields[:4])

    def _receive_request(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take what somebody elsewhere wants of an agent here."""
        match kind:
            case Kind.MESSAGE:
                self._take(peer, *fields[:7])
            case Kind.WITHDRAW:
                foreign = self.foreign.get(fields[1])
                if foreign is not None and foreign.cell is not None:
                    foreign.cell.withdraw(foreign.message, reader_left=fields[2])
            case Kind.ROOM:
                window = self._windows.get(fields[0])
                if window is not None:
                    for _ in range(fields[1]):
                        window.release()

    def _receive_result(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take what became of something that was sent from here."""
        match kind:
            case Kind.SETTLED:
                for id in fields[0]:
                    each = self._sent.pop(id, None)
                    if each is not None:
                        each.outbox.settled(id)
                        if each.outbox.idle:
                            self._nothing_on_the_way(each)
            case Kind.ANSWER:
                reply = loads(fields[1])
                if not self._asks.answer(fields[0], reply):
                    super().dead_letter(reply, "late_reply")
            case Kind.REFUSAL:
                error = load_error(fields[1])
                if isinstance(error, DeliveryError):
                    self._asks.answer(fields[0], error)
            case Kind.CHUNK:
                self._take_chunk(peer, fields[0], loads(fields[1]))

    def _nothing_on_the_way(self, each: Elsewhere) -> None:
        if each.pool is not None:
            each.pool.forget(each)
        elif each.turn():
            self._open_way_of(each)

    async def serve(self, peer: Peer, what: str, arguments: list[Any]) -> Any:
        """Do what another node calls for."""
        if what == "awake":
            pool = self.registry.pools.get(arguments[0])
            return [each.name for each in getattr(pool, "children", ())]
        raise ConfigurationError(f"node {self.name!r} does not know the call {what!r}")

    def told(self, peer: Peer, what: str, arguments: list[Any]) -> None:
        """Do what another node says; what is not known comes from a newer one and is passed over."""

    def _take(
        self,
        peer: Peer,
        to: str,
        raw: bytes,
        asker: str | None,
        given: int = 0,
        node: str | None = None,
        hold: bool = False,
        shuts_down: bool = False,
    ) -> None:
        message = loads(raw)
        if hold:
            self._has(peer, message.id)
        try:
            if shuts_down and asker is not None:
                cell = self.registry.route(to, message.conversation, message.id)
                self.refuse_while_down(cell, asker)
            self.deliver(peer, to, message, asker, given, node or peer.name)
        except (
            PayloadError
        ) as error:  # in the format of this node it is larger than in that of its sender
            self.refuse(message, HandlerFailed(to, "PayloadError", str(error)))
            self.dead_letter(message, "crashed")
        except DeliveryError as error:
            self.foreign.setdefault(message.id, Foreign(peer.boot, None, message))
            self.refuse(message, error)
            if isinstance(error, AskCycle):
                self.settle(message)
            else:
                self.dead_letter(
                    message, "unknown" if isinstance(error, UnknownAgent) else "terminated"
                )

    def deliver(
        self, peer: Peer, to: str, message: Message, asker: str | None, given: int, node: str
    ) -> None:
        """Put a message that came from `peer` where it belongs.

        Args:
            peer: The node it came from.
            to: The agent that it is for.
            message: The message.
            asker: The agent that waits for its answer.
            given: To how many incarnations it was given before.
            node: Where that asker runs.

        Raises:
            DeliveryError: Nobody will handle it.
        """
        cell = self.registry.route(to, message.conversation, message.id)
        if not isinstance(cell, Cell):
            raise UnknownAgent(to)  # it was here when it was sent
        self.foreign[message.id] = Foreign(peer.boot, cell, message, asker)
        if asker is not None:
            circle = self._follow(message.id, node, [asker, cell.name])
            if circle is not None:
                raise AskCycle(circle[0])
        if given:
            cell.was_given(message.id, given)
        if not cell.mailbox.offer(message):
            cell.mailbox.push(message)  # its sender holds to the bound

    def _take_chunk(self, peer: Peer, request_id: str, chunk: Message) -> None:
        chunks = self._streams.get(request_id)
        if chunks is None:
            super().dead_letter(chunk, "no_reader")
            return

        def taken() -> None:
            chunks.untold += 1
            if chunks.untold >= _CHUNKS_AT_ONCE:
                peer.signal(Kind.ROOM, request_id, chunks.untold)
                chunks.untold = 0

        chunks.push(chunk, taken)

    # Asks that would wait for themselves, over several nodes: edge chasing (Chandy, Misra and Haas 1983). The ask that
    # closes a circle finds all its other edges there, so it is found out whoever was last. An edge is the id of an ask:
    # who answered already has it no more, though its answer may still be on the way.

    async def _ask(
        self, cell: Recipient, message: Message, seconds: float | None, asking: Asking | None
    ) -> Message:
        if asking is None or not isinstance(cell, Cell):
            return await super()._ask(cell, message, seconds, asking)
        # It stays in this process, but may close a circle that leads through others.
        asker = message.sender or self._by_way_of_runtime.get(message.id, "")
        self._follow(message.id, self.name, [asker, cell.name])
        try:
            return await super()._ask(cell, message, seconds, asking)
        except AskCycle:
            cell.mailbox.withdraw(message)
            raise

    def _probe(self, ask_id: str, node: str, path: list[str], edge: str) -> None:
        if edge not in self.foreign:
            return
        if path[0] == path[-1]:
            self._closes(ask_id, path)
        elif (circle := self._follow(ask_id, node, path)) is not None:
            path, edge = circle
            if node == self.name:
                self._closes(ask_id, path)
            elif (peer := self._by_name.get(node)) is not None:
                peer.signal(Kind.PROBE, ask_id, node, path, edge)

    def _follow(self, ask_id: str, node: str, path: list[str]) -> tuple[list[str], str] | None:
        """Whether the last of `path`, an agent of this node, waits for the first.

        Edges that lead to other nodes are followed there.

        Args:
            ask_id: Of the ask that may close a circle.
            node: Of its asker.
            path: From its asker on, who waits for whom.

        Returns:
            The circle and its last edge.
        """
        last = self.registry.get(path[-1])
        for edge, name in tuple(last.asking.items()) if last is not None else ():
            if name == path[0]:
                return [*path, name], edge
            if name in path:
                continue
            found = self._known(name)
            if isinstance(found, Elsewhere):
                peer = self.peers.get(found.boot or "")
                if peer is not None:
                    peer.signal(Kind.PROBE, ask_id, node, [*path, name], edge)
            elif circle := self._follow(ask_id, node, [*path, name]):
                return circle
        return None

    def _known(self, name: str) -> Recipient | None:
        """An agent, or a conversation of a pool elsewhere that something is on the way to."""
        pool = self.registry.pools.get(name.partition("/")[0])
        return pool.find(name) if isinstance(pool, ElsewherePool) else self.registry.get(name)

    def _closes(self, ask_id: str, circle: list[str]) -> None:
        """An ask of this node would wait for itself."""
        each = self._sent.get(ask_id)
        if self._asks.answer(ask_id, AskCycle(circle)) and each is not None:
            peer = self.peers.get(each.boot or "")
            if peer is not None:
                peer.send(Kind.WITHDRAW, each.name, ask_id, True)

    async def close_links(self) -> None:
        """Leave the other nodes."""
        await self.calls.close()
        for peer in self.peers.values():
            peer.link.close()
        self.peers.clear()
        self._by_name.clear()
        await self.transport.close()
        self._turned_away.close()
