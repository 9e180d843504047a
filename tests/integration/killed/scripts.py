"""What the models say to each framework's agent, and what it comes by then. Imports none of the frameworks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from civitas.demo.model_server import ToolCall
from tests.integration.killed.world import Script

__all__ = ["PARTS", "Part"]


@dataclass(frozen=True)
class Part:
    """What one framework's agent plays: it is asked, asks a human, and goes on when that has answered.

    Attributes:
        module: Where `clerk` is, which makes the agent.
        payload: What it is asked.
        answer: Of the human.
        boundaries: The calls that it makes, in order; a name of two parts is a call of a model.
        at_once: Those of them that are made at once.
        script: What the models say.
        shown: What of the agent's answer is the same each time.
    """

    module: str
    payload: dict[str, Any]
    answer: Any
    boundaries: Sequence[str]
    script: Script
    at_once: frozenset[str] = frozenset()
    shown: Callable[[Any], Any] = lambda payload: payload

    @property
    def tools(self) -> frozenset[str]:
        """Those of the boundaries that are tools of the agent's own; it asks another agent for help."""
        return frozenset(each for each in self.boundaries if "-" not in each) - {"help"}


def _messages(payload: Any) -> Any:
    return [(each["type"], each["content"]) for each in payload["messages"]]


_BOTH = [ToolCall("search", {"text": "x"}), ToolCall("fetch", {"text": "x"})]
_HELP = ToolCall("helper", {"input": "x"})
_FILE = ToolCall("file", {"text": "x"})

PARTS = {
    "langgraph": Part(
        "graphs",
        {"input": "An article, please."},
        "Go on.",
        [
            "clerk-0",
            "search",
            "fetch",
            "clerk-2",
            "help",
            "clerk-3",
            "writer-3",
            "file",
            "writer-4",
        ],
        {
            ("clerk", 0): _BOTH,
            ("clerk", 2): _HELP,
            ("clerk", 3): "A draft.",
            ("writer", 3): _FILE,
            ("writer", 4): "It is filed.",
        },
        frozenset({"search", "fetch"}),
        _messages,
    ),
    "openai": Part(
        "sdk_agents",
        {"input": "An article, please."},
        True,
        [
            "clerk-0",
            "search",
            "fetch",
            "clerk-2",
            "help",
            "clerk-3",
            "writer-4",
            "file",
            "writer-5",
        ],
        {
            ("clerk", 0): _BOTH,
            ("clerk", 2): _HELP,
            ("clerk", 3): ToolCall("transfer_to_writer", {}),
            ("writer", 4): _FILE,
            ("writer", 5): "It is filed.",
        },
        frozenset({"search", "fetch"}),
    ),
    "crewai": Part(
        "crews",
        {"topic": "otters"},
        "",
        [
            "clerk-0",
            "search",
            "clerk-1",
            "fetch",
            "clerk-2",
            "help",
            "clerk-3",
            "writer-0",
            "file",
            "writer-1",
        ],
        {
            ("clerk", 0): _BOTH[0],
            ("clerk", 1): _BOTH[1],
            ("clerk", 2): _HELP,
            ("clerk", 3): "A draft.",
            ("writer", 0): _FILE,
            ("writer", 1): "It is filed.",
        },
    ),
}
"""By framework."""
