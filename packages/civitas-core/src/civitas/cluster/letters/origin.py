"""Where a message came from: another node, which hears what becomes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from civitas.cluster.frames import Kind
from civitas.cluster.letters.emitted import Emitted
from civitas.cluster.letters.receipts import Receipts
from civitas.cluster.peers import Peer
from civitas.errors import DeliveryError, NodeDown, RunChanged
from civitas.message import Message, Serializer, dumps
from civitas.message.large import Large
from civitas.node import Recipient
from civitas.process import Cell
from civitas.process.failures import dump_error

__all__ = ["Back", "DeliveryCount", "FromBeside", "FromPeer", "KeptOrigin", "Uncounted"]


class DeliveryCount(Protocol):
    """Counts to how many incarnations a message was given, where that outlives the process that handles it."""

    outlived: bool
    """Whether somebody outlives the process, and delivers again what is not known to be finished."""
    reads: bool
    """Whether that one reads what was noted, also of messages that it never had."""

    def begun(self, agent: str, message_id: str, *, kept: bool = False) -> Awaitable[None] | None:
        """An incarnation of `agent` begins to handle a message; it must wait for what this returns.

        Args:
            agent: The agent.
            message_id: The id of the message.
            kept: Whether the broker keeps the message, and not the node that sent it.
        """

    def finished(self, message_id: str) -> None:
        """The message is finished."""

    def forgotten(self, message_id: str) -> None:
        """The broker, which kept the message, has let go of it."""

    def put_back(self, message_id: str) -> None:
        """The message stays where it is kept, as if this process had not had it: this delivery does not count."""


class Uncounted:
    """For a node that nobody outlives."""

    outlived = reads = False

    def begun(self, agent: str, message_id: str, *, kept: bool = False) -> None:
        """Nothing to count."""

    def finished(self, message_id: str) -> None:
        """Nothing was counted."""

    def forgotten(self, message_id: str) -> None:
        """Nothing was counted."""

    def put_back(self, message_id: str) -> None:
        """Nothing was counted."""


class KeptOrigin(Protocol):
    """The broker, where that has the message and not the node that sent it."""

    def began(self, agent: str) -> Awaitable[None] | None:
        """As `Origin.began`."""

    def settled(self) -> None:
        """As `Origin.settled`."""

    async def heard(self) -> bool:
        """As `Origin.heard`."""


@dataclass(slots=True)
class Back:
    """What every way back from this node needs.

    Attributes:
        serializer: The format of messages.
        receipts: Tells what is finished.
        deliveries: Counts them.
        recorded: Waits until the root has kept the end of a run, by the id of its message.
    """

    serializer: Serializer
    receipts: Receipts
    deliveries: DeliveryCount = field(default_factory=Uncounted)
    recorded: Callable[[str], Awaitable[object]] | None = None


class FromBeside:
    """The origin of a message that an agent of the same process sent, and that steps are recorded for.

    The process alone has it; whoever outlives that must know which records are left over.

    Args:
        deliveries: Notes it.
        message_id: Its id.
    """

    __slots__ = ("_deliveries", "_id")

    def __init__(self, deliveries: DeliveryCount, message_id: str) -> None:
        self._deliveries = deliveries
        self._id = message_id

    def began(self, agent: str) -> Awaitable[None] | None:
        """Note it; see `Origin.began`."""
        return self._deliveries.begun(agent, self._id)

    def settled(self) -> None:
        """It is finished; see `Origin.settled`."""
        self._deliveries.finished(self._id)

    async def heard(self) -> bool:
        """Nobody sends it again; see `Origin.heard`."""
        return True

    def answered(self, reply: Message) -> bool:
        """Whoever asked is here; see `Origin.answered`."""
        return False

    def refused(self, error: DeliveryError) -> None:
        """Whoever asked is here; see `Origin.refused`."""

    def chunk(self, chunk: Message) -> bool:
        """Whoever reads is here; see `Origin.chunk`."""
        return False

    def left(self) -> None:
        """Whoever asked is here; see `Origin.left`."""


class FromPeer:
    """The origin of a message that came from another node; that hears of an answer and of the end of it.

    An answer, or a refusal, says that the message is finished, too.

    Args:
        peer: That node.
        message: The message.
        back: The way back.
        cell: The agent that has it; None for nobody.
        asker: The agent that waits for its answer, and so for `cell`; None for nobody.
        kept: The broker, if that has the message until it is finished.
    """

    __slots__ = (
        "_back",
        "_emitted",
        "_given",
        "_said",
        "asker",
        "boot",
        "cell",
        "handed_on",
        "kept",
        "message",
        "peer",
    )

    def __init__(
        self,
        peer: Peer,
        message: Message,
        back: Back,
        cell: Recipient | None = None,
        asker: str | None = None,
        kept: KeptOrigin | None = None,
    ) -> None:
        self.kept = kept
        self.boot = peer.boot
        """The run of the node that sent it, also where another one hears of it in its place."""
        self.peer = peer
        self.message = message
        self.cell = cell
        self.asker = asker
        self.handed_on = False
        """Whether `cell` is an agent of a third node, which the message was handed on to."""
        self._back = back
        self._given = 0
        """How many incarnations here began to handle it."""
        self._said = False
        """Whether the answer, or that there is none, is on its way."""
        self._emitted: Emitted | None = None
        """The chunks on their way to the reader, once there are any."""

    def began(self, agent: str) -> Awaitable[None] | None:
        """Count this delivery; see `Origin.began`."""
        self._given += 1
        if self.kept is not None:
            return self.kept.began(agent)
        return self._back.deliveries.begun(agent, self.message.id)

    def settled(self) -> None:
        """Whoever had the message is finished with it; see `Origin.settled`."""
        self._end_stream()
        if self.kept is not None:
            self.kept.settled()
            return
        if not self._said:
            self._tell_what_was_done()
            self._back.receipts.finished(self.peer, self.message.id)
        self._back.deliveries.finished(self.message.id)

    async def heard(self) -> bool:
        """Wait until the node knows what became of the message; see `Origin.heard`."""
        if self.kept is not None:
            return await self.kept.heard()
        if self._back.recorded is not None and self._is_run:
            try:
                await self._back.recorded(self.message.id)
            except NodeDown:  # this process is about to end, and the next root has the run again
                return False
        elif self._back.deliveries.outlived:
            self._back.receipts.tell()
            await self.peer.link.flushed()
        return True

    def answered(self, reply: Message) -> bool:
        """Send the reply; see `Origin.answered`."""
        return self.hand(Kind.ANSWER, dumps(reply, self._back.serializer))

    def refused(self, error: DeliveryError) -> None:
        """Send why there is none; see `Origin.refused`."""
        if isinstance(error, RunChanged) and error.held and self.kept is None:
            self._back.deliveries.put_back(self.message.id)
        self.hand(Kind.REFUSAL, dump_error(error))

    def hand(self, kind: Kind, result: Any) -> bool:
        """Send what became of the message, as it travels; False if the node is gone."""
        self._end_stream()
        if self.peer.gone:
            return False
        self._tell_what_was_done()
        self.peer.send(kind, self.message.id, result)
        self._said = True
        return True

    def _tell_what_was_done(self) -> None:
        """Before the end of a run, which is kept with its steps: this overtakes it."""
        if self._is_run and isinstance(self.cell, Cell):
            did = self.cell.did(self.message.id)
            if did is not None:
                self.peer.cast("did", {**did, "given": self._given})

    def chunk(self, chunk: Message) -> Awaitable[bool] | bool:
        """Send a chunk; see `Origin.chunk`."""
        if self.peer.gone:
            return False
        if self._emitted is None:
            self._emitted = Emitted(self.pass_chunks, self._back.serializer)
        return self._emitted.put(chunk)

    def pass_chunks(self, kind: Kind, chunks: bytes | Large) -> bool:
        """Send one or more chunks, also those of a third node, whose producer is told what the reader took.

        Returns:
            False if the node is gone.
        """
        if self.peer.gone:
            return False
        self.peer.send(kind, self.message.id, chunks)
        return True

    def room(self, taken: int) -> None:
        """The reader took so many chunks."""
        if self._emitted is not None:
            self._emitted.give(taken)

    def left(self) -> None:
        """The node is gone. What nobody waited for is handled all the same, and so is a run; see `Origin.left`."""
        if self.cell is not None and self.message.reply_to is not None and not self._is_run:
            self.cell.withdraw(self.message, reader_left=self.message.wants_chunks)
        self._end_stream()

    def left_behind(self) -> None:
        """The node is gone, and what it asked for goes on."""
        self._end_stream()

    @property
    def was_told(self) -> bool:
        """Whether an answer, or that there is none, is on its way."""
        return self._said and not self.peer.gone

    def withdraw(self, reader_left: bool) -> None:
        """The asker there has stopped waiting."""
        if self.cell is not None:
            self.cell.withdraw(self.message, reader_left=reader_left)

    @property
    def _is_run(self) -> bool:
        """Whether the root keeps it in the store: then nobody but the root gives it up."""
        return self.message.run_name is not None

    def _end_stream(self) -> None:
        emitted, self._emitted = self._emitted, None
        if emitted is not None:
            emitted.end()
