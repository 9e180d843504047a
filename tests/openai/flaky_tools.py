"""Tools of which one fails the first time, and a model that calls them."""

from __future__ import annotations

from typing import Any

from agents import function_tool

from civitas.demo.model_server import Answer
from civitas.frameworks import idempotency_key

__all__ = ["ToolCalls", "Tools"]


class ToolCalls:
    """A model's script, one answer for each number of tool results so far; notes how often it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> Answer:
        self.bodies.append(body)
        done = sum(each["role"] == "tool" for each in body["messages"])
        return self.answers[min(done, len(self.answers) - 1)]


class Tools:
    """Tools that note that they were called, one of which fails the first time."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.keys: list[str] = []

        @function_tool
        async def note(text: str) -> str:
            """Note it."""
            self.called.append(text)
            return f"noted {text}"

        @function_tool(failure_error_function=None)
        async def flaky() -> str:
            """Fail the first time."""
            self.called.append("flaky")
            self.keys.append(idempotency_key())
            if self.called.count("flaky") == 1:
                raise RuntimeError("gone")
            return "recovered"

        self.note, self.flaky = note, flaky
        self.all: list[Any] = [note, flaky]
