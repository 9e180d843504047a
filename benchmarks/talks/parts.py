"""What the contestants have in common."""

from __future__ import annotations

import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas import AgentProcess, ConversationPool, Runtime, SQLiteStateStore, Supervisor

__all__ = ["HALF", "Kinds", "Talk", "Talking", "civitas", "civitas_apart", "text"]

HALF = 2000
"""Bytes of a message, and of an answer."""


@dataclass(frozen=True)
class Talking:
    """How to talk to a contestant.

    Attributes:
        turn: Sends a text in a conversation, and waits for the answer.
        fill: Puts that many turns into a new conversation in one go; the next turn then costs what it would behind
            turns that were made one by one. None if that would not be so.
        processes: The OS processes that take part, besides this one.
    """

    turn: Callable[[str, str], Awaitable[None]]
    fill: Callable[[str, int], Awaitable[None]] | None = None
    processes: Callable[[], Sequence[int]] = tuple


Talk = Callable[[Path, int], AbstractAsyncContextManager[Talking]]
"""Opens what keeps conversations in a folder, for that many at once."""

Kinds = dict[str, Talk]

_LETTERS = random.Random(0).choices(string.ascii_lowercase + " ", k=50_000)
_ALL = "".join(_LETTERS)


def text(number: int, size: int = HALF) -> str:
    """A text that no other number has."""
    start = number * 37 % (len(_ALL) - size)
    return f"{number:08d} {_ALL[start : start + size - 9]}"


def civitas(wrapped: Callable[[bool], AgentProcess | ConversationPool]) -> Talk:
    """What `wrapped` returns in a runtime over SQLite; it is told whether there are many conversations at once."""

    @asynccontextmanager
    async def talk(folder: Path, at_once: int) -> AsyncIterator[Talking]:
        store = SQLiteStateStore(folder / "state.db")
        agent: Any = wrapped(at_once > 1)
        try:
            async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:

                async def turn(conversation: str, said: str) -> None:
                    await runtime.ask("a", {"input": said}, conversation=conversation, timeout=None)

                yield Talking(turn)
        finally:
            await store.close()

    return talk


def civitas_apart(count: int, **agent: Any) -> Talk:
    """A pool of conversations in so many OS processes, as a topology has it.

    Args:
        count: How many.
        **agent: What the topology says of the agent besides.
    """

    @asynccontextmanager
    async def talk(folder: Path, at_once: int) -> AsyncIterator[Talking]:
        spread = {"process": "talkers", "replicas": count, "per_conversation": True}
        config = {
            "transport": {"type": "zmq"},
            "state": {"type": "sqlite", "path": str(folder / "state.db")},
            "processes": {
                "talkers": {"start_timeout": 120, "env": {"PYTHONPATH": str(Path.cwd())}}
            },
            "supervision": {"children": [{"agent": {"name": "a", **agent, **spread}}]},
        }
        async with Runtime.from_config(config) as runtime:

            async def turn(conversation: str, said: str) -> None:
                await runtime.ask("a", {"input": said}, conversation=conversation, timeout=None)

            def processes() -> list[int]:
                replicas = runtime.tree()["children"][0]["children"]
                return [each["pid"] for each in replicas]

            yield Talking(turn, processes=processes)

    return talk
