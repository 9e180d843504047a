"""The model of the run: a scripted one behind the OpenAI APIs, on loopback."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.wall.task import Task
from civitas.demo.model_server import ModelServer, ToolCall

__all__ = ["Model"]


class Model:
    """Asks for one call of the tool after another, and is content when it has seen the result of the last.

    Args:
        task: The run.

    Attributes:
        server: Serves it.
        asked: How often.
        seen: So many results it has seen at most.
        turn: Seconds from the one before to the latest request.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.server = ModelServer(self._answer)
        self.asked = self.seen = 0
        self.turn = 0.0
        self._last = time.monotonic()

    def _answer(self, body: dict[str, Any]) -> Any:
        # It need not keep gigabytes of requests.
        self.server.requests.clear()
        self.server.headers.clear()
        self.asked += 1
        now = time.monotonic()
        self.turn, self._last = now - self._last, now
        seen = sum(_is_result(each) for each in body.get("input") or body["messages"])
        self.seen = max(self.seen, seen)
        if seen >= self._task.calls:
            return "The end."
        last = min(seen + self._task.at_once, self._task.calls)
        return [ToolCall("look", {"number": each}) for each in range(seen, last)]


def _is_result(item: dict[str, Any]) -> bool:
    return item.get("type") == "function_call_output" or item.get("role") == "tool"
