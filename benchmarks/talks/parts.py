"""What the contestants have in common."""

from __future__ import annotations

import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from civitas import AgentProcess, ConversationPool, Runtime, SQLiteStateStore, Supervisor

__all__ = ["HALF", "Kinds", "Talk", "Turn", "civitas", "text"]

HALF = 2000
"""Bytes of a message, and of an answer."""

Turn = Callable[[str, str], Awaitable[None]]
"""Sends a text in a conversation, and waits for the answer."""

Talk = Callable[[Path, int], AbstractAsyncContextManager[Turn]]
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
    async def talk(folder: Path, at_once: int) -> AsyncIterator[Turn]:
        store = SQLiteStateStore(folder / "state.db")
        agent: Any = wrapped(at_once > 1)
        try:
            async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:

                async def turn(conversation: str, said: str) -> None:
                    await runtime.ask("a", {"input": said}, conversation=conversation, timeout=None)

                yield turn
        finally:
            await store.close()

    return talk
