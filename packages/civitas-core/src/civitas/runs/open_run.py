"""`OpenRun`: a run that is not finished, in the program that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from civitas.errors import DeliveryError, RunChanged
from civitas.message import Message
from civitas.message.call_name import is_call
from civitas.runs.info import RunInfo, RunStatus
from civitas.runs.overview import told_by_agent
from civitas.runs.records import AcceptedRun

__all__ = ["DurableAgent", "OpenRun", "RunPlace", "Waiter"]

Waiter: TypeAlias = Callable[[Message | DeliveryError], object]
"""Takes the answer to a message, or why there is none."""


class DurableAgent(Protocol):
    """A durable agent, wherever it runs, as it is given its messages."""

    @property
    def doing(self) -> Mapping[str, Any] | None:
        """What it says of the message that it handles, as `Cell.doing` has it; None if it says nothing."""

    def did(self, message_id: str) -> Mapping[str, Any] | None:
        """What it did for a message that it has just finished, as `Cell.did` has it; None if that is not known."""

    @property
    def gives_up(self) -> bool:
        """Whether it gives up what nobody waits for."""

    @property
    def max_deliveries(self) -> int:
        """How many incarnations of it may be given a message."""

    def hand(self, run: OpenRun, message: Message) -> None:
        """Give it a message that is in the store."""

    def withdraw(self, message: Message, *, reader_left: bool) -> None:
        """Take a message back, or cancel its handler: if the agent wants that, or `reader_left`."""


class RunPlace(Protocol):
    """Where runs wait for one agent; see `AcceptedEntry`."""

    agent: DurableAgent

    def kept(self) -> None:
        """The store has another run."""

    def dropped(self, run: OpenRun) -> None:
        """The store does not have a run, and will not."""

    def again(self, run: OpenRun) -> None:
        """A run waits that was accepted before."""

    def hold(self, run: OpenRun) -> None:
        """Its agent does not go on with a run, as it is now."""

    def finished(self, run: OpenRun) -> None:
        """A run is over."""


class OpenRun:
    """A run that is not finished.

    Args:
        record: What the store has of it, or will have.
        message: The message that began it; None while it is only in the store.
    """

    __slots__ = (
        "_changed",
        "begun",
        "delivered",
        "did",
        "entry",
        "given",
        "gone",
        "held",
        "is_kept",
        "leaving",
        "message",
        "over",
        "record",
        "running",
        "waiters",
    )

    def __init__(self, record: AcceptedRun, message: Message | None) -> None:
        self.record = record
        self.message = message
        self.entry: RunPlace | None = None
        """Where it waits, or waited, for its agent; None as long as no agent has its name."""
        self.is_kept = message is None
        """Whether the store has it."""
        self.delivered = False
        """Whether its agent has it."""
        self.given = record.deliveries
        """To how many incarnations it was given."""
        self.running = False
        """Whether its agent has begun to handle it."""
        self.did: Mapping[str, Any] | None = None
        """What an agent of another OS process did for it, of which it tells the end next."""
        self.begun: float | None = None
        """When it began with it last, in unix seconds."""
        self.leaving: RunStatus | None = None
        """What it becomes if its agent gives it up, as whoever waited for it has left."""
        self.over = False
        """Whether its end is decided."""
        self.gone: DeliveryError | None = None
        """Why it was not accepted after all."""
        self.held: RunChanged | None = None
        """Why its agent does not go on with it; None if it does."""
        self.waiters: dict[str, Waiter] = {}
        """Who waits for its answer, by the id of the message of each."""
        self._changed: asyncio.Future[None] | None = None

    @property
    def given_up(self) -> bool:
        """Whether it ends without an answer, as whoever called for it has left, and may be called for again."""
        if self.leaving is None and not self.over:
            return False
        gives_up = self.entry is not None and self.entry.agent.gives_up
        return is_call(self.record.run) and (self.over or gives_up)

    async def is_decided(self) -> None:
        """Wait until the store has it, or it was not accepted.

        Raises:
            DeliveryError: It was not accepted.
        """
        while not self.is_kept and self.gone is None:
            await self._change()
        if self.gone is not None:
            raise self.gone

    async def has_ended(self) -> None:
        """Wait until its end is in the store, or it is held."""
        while self.is_kept and self.held is None:
            await self._change()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def changed(self) -> None:
        """Let those look again who wait for a change."""
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set_result(None)

    def info(self, doing: Mapping[str, Any] | None = None) -> RunInfo:
        """What is known of it.

        Args:
            doing: What its agent says of it; see `Root.doing`.
        """
        status = RunStatus.RUNNING if self.running else RunStatus.ACCEPTED
        if self.held is not None:
            waits = tuple({"for": "code", "change": each} for each in self.held.differences)
            info = self.record.info(RunStatus.HELD, self.given)
            return replace(info, begun=self.begun, waits_for=waits, error=str(self.held))
        info = self.record.info(status, self.given)
        return replace(info, begun=self.begun, **told_by_agent(doing))
