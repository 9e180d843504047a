"""What is seen of an OS process from a thread, also while its event loop is blocked."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

from civitas.errors import CivitasError, ConfigurationError, PayloadError
from civitas.message import decode, encode
from civitas.node.glance import seen_now
from civitas.node.inspecting import Blocked, Seen, inspect
from civitas.node.node import Node
from civitas.node.profiling import check_seconds, profile
from civitas.process import Cell
from civitas.process.stacks import agent_of, of_loop, placed

__all__ = ["View", "asked", "seen_in"]

_TURN = 0.1
"""Seconds after which an event loop that has not turned is said to be blocked."""
_BEYOND = 1.5
"""Seconds for another process to answer beside the event loop of this one."""
_STOPS = 0.1
"""Seconds between two looks at whether this process stops meanwhile."""


def asked(name: str | None, seconds: float | None, request: str = "") -> bytes:
    """A question for a `View`.

    Args:
        name: Of an agent; None for the process alone.
        seconds: How long to look where its time goes; None for not at all.
        request: Of somebody outside, of whose message it is to be said whether it was accepted; empty for none.
    """
    return encode({"agent": name, "profile": seconds, "request": request}, "request")


def seen_in(answer: bytes) -> Seen:
    """What a `View` answered.

    Raises:
        ConfigurationError: It refused.
        ValueError: It is not an answer.
    """
    seen: Seen = decode(answer)
    if seen["error"]:
        raise ConfigurationError(seen["error"])
    return seen


class View:
    """Answers questions about an OS process. It is called in threads of those who ask, never in the event loop.

    Args:
        node: The process.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._stop = threading.Event()

    def close(self) -> None:
        """Profiles that are being made end now."""
        self._stop.set()

    def answer(self, question: bytes, *, most: int | None = None) -> bytes:
        """Answer a question.

        Args:
            question: Made by `asked`.
            most: Bytes that the answer may have; an agent whose state is too large for that is told without it.
        """
        seen = self._seen(question)
        answer = _encoded(seen)
        if most is None or len(answer) <= most:
            return answer
        if seen["agent"] is not None:
            answer = _encoded({**seen, "agent": {**seen["agent"], "state": None}})
        if len(answer) > most:
            error = (
                f"what there is to tell has {len(answer):,} bytes, and only {most:,} can be sent"
            )
            answer = _encoded({**seen, "agent": None, "error": error})
        return answer

    def _seen(self, question: bytes) -> Seen:
        seen: Seen = {
            "node": self._node.name,
            "pid": os.getpid(),
            "blocked": None,
            "agent": None,
            "error": "",
        }
        try:
            request = decode(question)
            name, seconds = request["agent"], request.get("profile")
            seen["blocked"] = blocked = self._blocked()
            if sent := request.get("request"):
                seen["accepted"] = self._node.from_outside.has(sent, name)
            cell = self._node.registry.get(name)
            if isinstance(cell, Cell):
                found: dict[str, Any] = {**seen_now(cell, self._node.name), **inspect(cell)}
                found["blocked"] = blocked
                if blocked is not None and blocked["by"] == name:
                    found["stack"] = blocked["stack"]
                if seconds is not None:
                    found["profile"] = profile(
                        cell,
                        self._node.loop,
                        self._node.thread,
                        check_seconds(seconds),
                        self._stop,
                    )
                seen["agent"] = found
            elif blocked is not None and (node := self._node.far.where(name)) is not None:
                seen["agent"] = asyncio.run(self._beyond(node, name, seconds))
        except CivitasError as error:
            seen["error"] = str(error)
        except Exception as error:  # what is looked at may change meanwhile, if the loop turns
            seen["error"] = f"the request failed: {error!r}"
        return seen

    async def _beyond(self, node: str, name: str, seconds: float | None) -> dict[str, Any] | None:
        """An agent of another process, which this one would ask by its event loop if that turned."""
        looking = asyncio.ensure_future(self._node.far.look_through(node, name, seconds, _BEYOND))
        try:
            while not looking.done() and not self._stop.is_set():
                await asyncio.wait({looking}, timeout=_STOPS)
            found = looking.result() if looking.done() else None
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return None if found is None else found["agent"]

    def _blocked(self) -> Blocked | None:
        turned, node = threading.Event(), self._node
        try:
            node.loop.call_soon_threadsafe(turned.set)
        except RuntimeError:  # it is closed
            return None
        if turned.wait(_TURN):
            return None
        task = asyncio.current_task(node.loop)
        top = sys._current_frames().get(node.thread)
        return {
            "node": node.name,
            "by": getattr(agent_of(task), "name", None) if task is not None else None,
            "seconds": round(max(node.held_for(), _TURN), 3),
            "stack": placed(of_loop(top)) if top is not None else [],
        }


def _encoded(seen: Seen) -> bytes:
    try:
        return encode(seen, "answer")
    except PayloadError as error:  # such as a state of many MiB
        return encode({**seen, "agent": None, "error": str(error)}, "answer")
