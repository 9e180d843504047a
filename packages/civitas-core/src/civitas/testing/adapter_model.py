"""`SuiteModel`: what stands for the LLM in the `AdapterSuite`, whatever the framework calls its models."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias

from civitas.models import ToolCall

__all__ = ["HANG", "Overloaded", "Rejected", "SuiteModel", "ToolCall"]


class Overloaded(Exception):
    """What the client of a model raises where the provider asks to come back a moment later (HTTP 429)."""

    status_code = 429
    response = SimpleNamespace(headers={"retry-after": "0.01"})


class Rejected(Exception):
    """What the client of a model raises where the provider does not take the request (HTTP 400)."""

    status_code = 400


HANG: Any = object()
"""A turn that does not come until the suite lets it."""

Turn: TypeAlias = "str | ToolCall | BaseException | Callable[[list[str]], str]"


class SuiteModel:
    """Plays a list of turns, one for each call.

    Args:
        *turns: Texts, tool calls, exceptions to raise, functions of the texts that the model was sent, or `HANG`; the
            last one stays.

    Attributes:
        seen: For each call, the texts that the model was sent, oldest first: the user's, its own earlier ones, results
            of tools.
        began: Set when a call hangs.
        cancelled: Set when a call that hung was cancelled.
        let_go: Set it to end a blocking call that hangs.
    """

    def __init__(self, *turns: Any) -> None:
        self._turns = deque(turns)
        self.seen: list[list[str]] = []
        self.began = threading.Event()
        self.cancelled = threading.Event()
        self.let_go = threading.Event()

    async def answer(self, texts: Sequence[str]) -> str | ToolCall:
        """The next turn, for a framework that awaits its models."""
        turn = self._next(texts)
        if turn is HANG:
            self.began.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        return self._say(turn, texts)

    def answer_blocking(self, texts: Sequence[str]) -> str | ToolCall:
        """The next turn, for a framework that calls its models in threads."""
        turn = self._next(texts)
        if turn is HANG:
            self.began.set()
            self.let_go.wait(30)
            return "late"
        return self._say(turn, texts)

    def _next(self, texts: Sequence[str]) -> Any:
        self.seen.append(list(texts))
        return self._turns.popleft() if len(self._turns) > 1 else self._turns[0]

    def _say(self, turn: Any, texts: Sequence[str]) -> str | ToolCall:
        if isinstance(turn, BaseException):
            raise turn
        said: str | ToolCall = turn(list(texts)) if callable(turn) else turn
        return said
