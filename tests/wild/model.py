"""The model of an agent under test: it plays a script, tells repeated requests, and can be held at one."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from civitas.demo.model_server import Answer, Failure
from tests.wild.case import Play

__all__ = ["Model", "plain"]

# What differs from run to run: ids of calls, messages and checkpoints, and times.
_IDS = re.compile(
    r"\b(?:call|lc_run-|lc_|run-|msg|resp|fc_call|chatcmpl)[-_]*[0-9a-f]{8,}[0-9a-f-]*"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\b\d{4}-\d\d-\d\d[T ][\d:.]+(?:\+00:00)?"
)

# And what clients tell of an answer only where it is streamed, or only where it is not.
_ASIDE = {"annotations", "index", "response_metadata", "status", "usage_metadata"}


def plain(value: Any) -> str:
    """The value as JSON text, without what differs from run to run."""
    return _IDS.sub("ID", json.dumps(_without_asides(value), sort_keys=True, default=str))


def _without_asides(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_asides(each) for key, each in value.items() if key not in _ASIDE}
    return [_without_asides(each) for each in value] if isinstance(value, list | tuple) else value


class Model:
    """Answers requests by a script; the same request again has the same answer.

    Args:
        play: The script.
        hold_at: The number of the new request, from 1, whose first answer waits for `release`.

    Attributes:
        requests: Each request's text, in order, repeated ones too.
        held: Set while a request is held.
    """

    def __init__(self, play: Play, hold_at: int | None = None) -> None:
        self._left = [each if isinstance(each, tuple) else ("", each) for each in play]
        self._hold_at = hold_at
        self._said: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._go_on = threading.Event()
        self.held = threading.Event()
        self.at_hold = ""
        self.requests: list[str] = []

    def __call__(self, body: dict[str, Any]) -> Answer:
        """What the server answers a request with."""
        request = plain(
            {key: body[key] for key in ("messages", "input", "instructions") if key in body}
        )
        with self._lock:
            self.requests.append(request)
            new = request not in self._said
            if new:
                self._said[request] = self._next(request)
            hold = new and len(self._said) == self._hold_at
            if hold:
                self.at_hold = request
        if hold:
            self.held.set()
            self._go_on.wait(120)
        return self._said[request]

    def _next(self, request: str) -> Answer:
        for text, answer in self._left:
            if text and text in request:
                self._left.remove((text, answer))
                return answer
        for text, answer in self._left:
            if not text:
                self._left.remove((text, answer))
                return answer
        return Failure(400, "the script has no more answers")

    def release(self) -> None:
        """Let the held request have its answer."""
        self._go_on.set()
        self.held.set()

    @property
    def unsaid(self) -> list[Answer]:
        """What of the script nobody asked for."""
        return [answer for _, answer in self._left]

    @property
    def repeated(self) -> list[str]:
        """The requests that came again, each as often as it did."""
        return [each for at, each in enumerate(self.requests) if each in self.requests[:at]]
