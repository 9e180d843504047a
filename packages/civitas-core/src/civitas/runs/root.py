"""`Root`: the root node, as the keeper of runs sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.runs.entry import AcceptedEntry
from civitas.runs.open_run import OpenRun, Waiter
from civitas.runs.records import AcceptedRun
from civitas.runs.timers import TimerRoot
from civitas.state import StateStore

__all__ = ["Root"]


class Root(TimerRoot, Protocol):
    """The root node, which knows the agents."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""

    @property
    def store(self) -> StateStore:
        """Where runs are kept."""

    def waiter_of(self, message: Message) -> Waiter | None:
        """Who waits for the answer to a message; None for nobody."""

    def let_answer(self, message_id: str) -> None:
        """What is said of a message goes to whoever waits for it from now on, and not to the keeper of runs."""

    def keep_chunks(self, message_id: str) -> None:
        """Keep what is emitted for a message whose stream somebody reads, until it is finished: others may join."""

    def join_chunks(self, message_id: str, reader_id: str) -> None:
        """Let the reader of one message have what was emitted for another, and what will be, if that is kept."""

    def entry_of(self, run: AcceptedRun) -> AcceptedEntry | None:
        """Where the messages go that are for the agent of a run; None if no durable agent has its name."""

    def doing(self, run: OpenRun) -> Mapping[str, Any] | None:
        """What its agent says of a run that it handles, as `Cell.doing` has it; None if it says nothing."""

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that is finished."""
