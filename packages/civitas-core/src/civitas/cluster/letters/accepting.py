"""Durable agents of several processes: the root keeps their messages, whoever sends them and wherever they run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from civitas.cluster.durable.at_root import RootMailboxes
from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.letters import Letters
from civitas.cluster.letters.origin import FromPeer
from civitas.cluster.peers import Peer
from civitas.errors import AskCycle, ConfigurationError, DeliveryError, HandlerFailed, PayloadError
from civitas.message import Message, loads
from civitas.node import Chunks, Recipient
from civitas.node.durable_agents import DurableAgents
from civitas.process import Cell, ChildKind, Delivery, Entry
from civitas.runs.acceptance import Acceptance
from civitas.runs.entry import AcceptedEntry
from civitas.runs.open_run import OpenRun, Waiter

__all__ = ["AcceptedByRoot", "DurableElsewhere"]


class DurableElsewhere:
    """A durable agent of another process, as the root gives it its messages.

    Args:
        each: The agent.
        runs: Keep its messages.
    """

    def __init__(self, each: Elsewhere, runs: Acceptance) -> None:
        self._each = each
        self._runs = runs

    @property
    def doing(self) -> Mapping[str, Any] | None:
        """What it does is known where it runs."""
        return None

    def did(self, message_id: str) -> Mapping[str, Any] | None:
        """Where it runs, it says so before the end."""
        return None

    @property
    def gives_up(self) -> bool:
        """See `DurableAgent.gives_up`."""
        return self._each.facts.gives_up

    @property
    def max_deliveries(self) -> int:
        """See `DurableAgent.max_deliveries`."""
        return self._each.facts.max_deliveries

    def hand(self, run: OpenRun, message: Message) -> None:
        """See `DurableAgent.hand`."""
        run.running = True  # when it really begins is known there
        run.given = run.record.deliveries + 1
        try:
            self._each.outbox.take_over(message, run.record.deliveries)
        except PayloadError as error:
            failed = HandlerFailed(self._each.name, "PayloadError", str(error))
            self._runs.ending.finish(run, failed)

    def withdraw(self, message: Message, *, reader_left: bool) -> None:
        """See `DurableAgent.withdraw`."""
        self._each.withdraw(message, reader_left=reader_left)


class RootWithRuns(Protocol):
    """The root node, as it is seen here."""

    durable_agents: DurableAgents | None
    streams: dict[str, Chunks]
    """Who reads what is emitted for a message, by its id."""


class AcceptedByRoot:
    """Takes the messages of other processes for durable agents, and gives durable agents elsewhere theirs.

    Args:
        root: The root node.
        letters: The messages to and from other nodes.
        route: Finds the agent for a message.
        mailboxes: Where the broker keeps the messages of durable agents, if it does.
    """

    def __init__(
        self,
        root: RootWithRuns,
        letters: Letters,
        route: Callable[[str, Message], Recipient],
        mailboxes: RootMailboxes,
    ) -> None:
        agents = root.durable_agents
        assert agents is not None  # a root has them
        self._streams = root.streams
        self._passing: dict[str, asyncio.Task[None]] = {}
        """What hands chunks on to readers in other processes, by the ids of the messages."""
        self._agents = agents
        self._runs = agents.runs
        self.noted_by = agents.runs.noted_by
        self._letters = letters
        self._route = route
        self._asked: dict[str, FromPeer] = {}
        """Who waits in another process for the answer to a message, by its id."""
        agents.asked_elsewhere = self._waiter_of
        agents.keeps = lambda cell: cell.delivery is Delivery.DURABLE and not mailboxes.are_kept
        out, into = letters.out, letters.into
        out.accepting_entry = self._entry_for
        out.asker_elsewhere = into.asker_elsewhere = self._asked.get
        self._out = out
        self._runs.renewed = self._look_at_the_table
        self._look_at_the_table()
        out.finished = self._is_finished
        out.was_given = self._was_given
        out.forgotten = self._runs.forget
        into.has_left = self._has_left

    @property
    def casts(self) -> dict[str, Callable[..., None]]:
        """What members tell."""
        return {"gave_up": self.gave_up, "doing": self.does, "did": self.did}

    def does(self, peer: Peer, doings: Mapping[str, Any]) -> None:
        """What the durable agents of a process do, by the ids of their messages; of no other, any more."""
        self._agents.elsewhere[peer.name] = doings

    def did(self, peer: Peer, told: Mapping[str, Any]) -> None:
        """What a durable agent of a process did for a message of which it tells the end next."""
        run = self._runs.table.by_message.get(told["message"])
        if run is not None:
            run.did = told
            # One was counted when the message went there.
            run.given += max(told.get("given", 1) - 1, 0)

    def learn(self, facts: Facts) -> None:
        """Take over what is known now of an agent."""
        self._letters.learn(facts)
        if facts.delivery == Delivery.DURABLE:
            is_pool = facts.kind == ChildKind.CONVERSATION_POOL
            self._runs.closed(facts.name, facts.closed, with_conversations=is_pool)

    # What members call for.

    def _look_at_the_table(self) -> None:
        self._out.is_kept = self._runs.table.by_message.__contains__

    @property
    def serves(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What members call for, by the name of the call."""
        return {
            "accept": self.accept,
            "recorded": self.recorded,
            "keep_timer": self.keep_timer,
            "cancel_timer": self.cancel_timer,
        }

    async def accept(
        self, peer: Peer, raw: bytes, asker: str | None, timeout: float | None
    ) -> None:
        """Keep a message; who is cancelled while it waits for room, is not waited for.

        Raises:
            DeliveryError: It was not accepted.
            StateStoreError: It could not be kept.
        """
        message = loads(raw)
        cell = self._route(message.recipient, message)
        if not isinstance(cell.entry, AcceptedEntry):
            raise ConfigurationError(
                f"{cell.name!r} is not durable any more, and {peer.name!r} did not know that yet. Send it again"
            )
        if message.reply_to is not None:
            if asker is not None:
                self._unless_circle(message, peer, asker, cell)
            origin = FromPeer(peer, message, self._letters.back, cell, asker)
            self._asked[message.id] = origin
            if message.wants_chunks:
                self._pass_chunks(origin)
        try:
            await cell.entry.put(message, timeout)
        except asyncio.CancelledError:
            raise  # it may be kept all the same, and its sender says what it wants
        except BaseException:
            self._asked.pop(message.id, None)
            self._end_stream(message.id)
            raise

    async def recorded(self, peer: Peer, message_id: str) -> None:
        """Wait until the end of a run is in the store."""
        run = self._runs.table.by_message.get(message_id)
        if run is not None:
            await run.has_ended()

    async def keep_timer(self, peer: Peer, id: str, raw: bytes, delay: float) -> None:
        """Keep a message that is to be sent later; see `KeptTimers.keep`."""
        await self._runs.timers.keep(id, loads(raw), delay).written()

    async def cancel_timer(self, peer: Peer, id: str) -> None:
        """Do not send one."""
        timer = self._runs.timers.cancel(id)
        if timer is not None:
            await timer.written()

    def gave_up(self, peer: Peer, message_id: str, reader_left: bool) -> None:
        """Whoever waited there for the answer to a message has left."""
        origin = self._asked.pop(message_id, None)
        if origin is not None:
            self._leave_stream(message_id)
            self._runs.ending.left(origin.message, reader_left=reader_left)

    def _pass_chunks(self, origin: FromPeer) -> None:
        chunks = self._streams[origin.message.id] = Chunks()

        async def hand_on() -> None:
            while (chunk := await chunks.get()) is not None:
                taken = origin.chunk(chunk)
                if not isinstance(taken, bool):
                    await taken

        passing = asyncio.get_running_loop().create_task(hand_on())
        self._passing[origin.message.id] = passing
        passing.add_done_callback(lambda _: self._passing.pop(origin.message.id, None))

    def _end_stream(self, message_id: str) -> asyncio.Task[None] | None:
        chunks = self._streams.pop(message_id, None) if message_id in self._passing else None
        if chunks is not None:
            chunks.end()
        return self._passing.get(message_id)

    def _leave_stream(self, message_id: str) -> None:
        """Whoever read it in another process has left; others may go on reading it."""
        chunks = self._streams.get(message_id) if message_id in self._passing else None
        if chunks is not None:
            chunks.left(self._streams, message_id)
            chunks.end()

    def _unless_circle(self, message: Message, peer: Peer, asker: str, cell: Recipient) -> None:
        if asker == cell.name:
            raise AskCycle([asker, asker])
        if isinstance(cell, Cell):
            circle = self._letters.cycles.follow(message.id, peer.name, [asker, cell.name])
            if circle is not None:
                raise AskCycle(circle[0])

    def _waiter_of(self, message: Message) -> Waiter | None:
        origin = self._asked.get(message.id)
        return None if origin is None else partial(self._answer, origin)

    def _answer(self, origin: FromPeer, answer: Message | DeliveryError) -> None:
        passing = self._end_stream(origin.message.id)
        if passing is not None:
            passing.add_done_callback(lambda _: self._tell(origin, answer))
        else:
            self._tell(origin, answer)

    def _tell(self, origin: FromPeer, answer: Message | DeliveryError) -> None:
        self._asked.pop(origin.message.id, None)
        if isinstance(answer, Message):
            origin.answered(answer)
        else:
            origin.refused(answer)

    def _has_left(self, peer: Peer) -> None:
        """A process is gone. What it asked for goes on: nobody gave it up."""
        for id, origin in list(self._asked.items()):
            if origin.peer is peer:
                del self._asked[id]
                self._leave_stream(id)
                origin.left_behind()
                self._runs.table.leave(id)

    # Durable agents elsewhere.

    def _entry_for(self, each: Elsewhere) -> Entry | None:
        facts, known = each.facts, each.entry
        if facts.delivery != Delivery.DURABLE or facts.mailbox:
            return None
        if isinstance(known, AcceptedEntry):
            known.size = facts.size
            return known
        agent = DurableElsewhere(each, self._runs)
        return self._agents.entered(each.name, each.outbox, facts.size, agent)

    def _is_finished(self, message_id: str) -> None:
        self._runs.ending.settled(self._runs.table.by_message[message_id])

    def _was_given(self, message_id: str, times: int) -> None:
        run = self._runs.table.by_message.get(message_id)
        if run is not None:
            self._runs.ending.was_lost(run, times)
