"""One agent of this OS process, looked into: its errors, its queue, its state, and where its code stands."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, NotRequired, TypedDict

from civitas.message import Message, to_plain
from civitas.node.profiling import Profile, profiled
from civitas.process import Cell
from civitas.process.stacks import StackFrame, frames_of, threads_of
from civitas.telemetry.readable import ends_of

__all__ = ["Blocked", "Inspection", "PastError", "Queued", "Seen", "inspect", "looked_into"]

_LISTED = 100
"""So many waiting messages are listed."""


class PastError(TypedDict):
    """An error that an agent gave a message up for, crashed on, or did not start for.

    Attributes:
        time: When, in unix seconds.
        message: Id of the message; empty if it failed to start.
        error: Class name and text.
        traceback: As text.
    """

    time: float
    message: str
    error: str
    traceback: str


class Queued(TypedDict):
    """A message that waits.

    Attributes:
        message: Its id.
        type: Its type.
        sender: Who sent it.
        conversation: What it belongs to.
        sent: When, in unix seconds.
        attempt: How often it was begun before.
        bytes: Size of its payload.
    """

    message: str
    type: str
    sender: str | None
    conversation: str | None
    sent: float
    attempt: int
    bytes: int


class Blocked(TypedDict):
    """An event loop that does not turn.

    Attributes:
        node: Of which OS process.
        by: The agent whose code holds it; None if that is nobody's.
        seconds: For how long.
        stack: What it does.
    """

    node: str
    by: str | None
    seconds: float
    stack: list[StackFrame]


class Seen(TypedDict):
    """What is seen of an OS process.

    Attributes:
        node: Name of the OS process.
        pid: Its pid.
        blocked: None while its event loop turns.
        agent: The agent that was looked for; None if it does not run there.
        accepted: Whether the message was accepted that was asked about.
        error: Why nothing else was seen; otherwise empty.
    """

    node: str
    pid: int
    blocked: Blocked | None
    agent: dict[str, Any] | None
    accepted: NotRequired[bool]
    error: str


class Inspection(TypedDict):
    """One agent, looked into.

    Attributes:
        stack: What its code awaits, the outermost frame first; empty while it waits for a message.
        threads: The stacks of the threads that run blocking code of it: plain `def` handlers and tools.
        errors: The last 20, the newest last.
        queue: The first 100 messages that wait.
        state: Its `state`; None if it does not run, or where that is not plain data.
        conversations: Those of the messages that it has.
        blocked: None while the event loop of its OS process turns.
        profile: Where its time went, if that was asked for.
    """

    stack: list[StackFrame]
    threads: list[list[StackFrame]]
    errors: list[PastError]
    queue: list[Queued]
    state: Any
    conversations: list[str]
    blocked: Blocked | None
    profile: NotRequired[Profile]


async def looked_into(
    cell: Cell, loop: asyncio.AbstractEventLoop, thread: int, seconds: float | None
) -> Inspection:
    """Look into an agent that runs here.

    Args:
        cell: The agent.
        loop: Of this OS process.
        thread: Which runs that.
        seconds: How long to look where its time goes; None for not at all.
    """
    if seconds is None:
        return inspect(cell)
    profile = await profiled(cell, loop, thread, seconds)
    return {**inspect(cell), "profile": profile}


def inspect(cell: Cell) -> Inspection:
    """Look into an agent that runs here."""
    incarnation = cell.incarnation
    runs = incarnation is not None and cell.alive
    busy = incarnation is not None and (
        incarnation.now.current is not None or not incarnation.now.serving
    )
    task = incarnation.task if incarnation is not None and runs and busy else None
    return {
        "stack": frames_of(task) if task is not None else [],
        "threads": threads_of(incarnation.agent) if incarnation is not None and runs else [],
        "errors": [
            {
                "time": time,
                "message": message,
                "error": ends_of(str(failure)),
                "traceback": ends_of(failure.traceback),
            }
            for time, message, failure in cell.errors
        ],
        "queue": [_queued(each) for each in itertools.islice(cell.mailbox, _LISTED)],
        "state": _plain(incarnation.agent.state) if incarnation is not None and runs else None,
        "conversations": sorted(cell.conversations),
        "blocked": None,
    }


def _queued(message: Message) -> Queued:
    return {
        "message": message.id,
        "type": message.type,
        "sender": message.sender,
        "conversation": message.conversation,
        "sent": message.timestamp,
        "attempt": message.attempt,
        "bytes": len(message.raw),
    }


def _plain(state: Any) -> Any:
    try:
        return to_plain(state)
    except Exception:  # it may hold anything; whoever looks must not break it
        return None
