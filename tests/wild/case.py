"""What is told of a public agent, so that the harness can put it to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from civitas.demo.model_replies import Answer

__all__ = ["COLUMNS", "KILLS", "Case", "Play"]

KILLS = ("kill first", "kill middle", "kill last")
COLUMNS = ("ask", "stream", "memory", "worker", "trace", *KILLS, "interrupt")
"""What each agent is put through, in the order of the table."""

Play: TypeAlias = "Sequence[Answer | tuple[str, Answer]]"
"""What the model says: one answer after the other; one that stands beside a text answers the request that has it,
whenever that comes, as those of nodes that run beside each other do."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One agent.

    Attributes:
        name: Its name, in the table and in Civitas.
        wrap: Where it is: `module:name`, the module below `tests/wild/agents` or in a package.
        framework: Of what framework it is.
        source: Which public agent it is, or is in the shape of.
        packages: The distributions whose versions the table tells.
        payload: What it is asked.
        play: What its model says on that.
        says: A text that its reply has.
        options: Keywords of `wrap`.
        answers: What a human answers, one question after the other.
        asks: A text that each question has.
        recalls: A text that only the conversation can bring before the model in a second run.
        again: What it is asked then; by default the same.
        again_play: What the model says then; by default the same.
        again_answers: What the human answers then; by default the same.
        speaks: Whether its model says any text: where it only calls tools, a stream has no tokens.
        keeps: Whether it remembers beyond its conversations, so that each kill wants a state of its own.
        redone: How many finished calls a kill may repeat: those of the LangGraph node in hand, and what a tool or
            guardrail of the SDK runs with a `Runner` of its own.
        inapplicable: By column: why the agent has nothing to show there.
        gaps: By column: what does not come right today. One that does is told as well.
    """

    name: str
    wrap: str
    framework: Literal["LangGraph", "OpenAI Agents SDK", "CrewAI"]
    source: str
    packages: tuple[str, ...]
    payload: dict[str, Any]
    play: Play
    says: str
    options: dict[str, Any] = field(default_factory=dict)
    answers: tuple[Any, ...] = ()
    asks: str = ""
    recalls: str = ""
    again: dict[str, Any] | None = None
    again_play: Play | None = None
    again_answers: tuple[Any, ...] | None = None
    speaks: bool = True
    keeps: bool = False
    redone: int = 0
    inapplicable: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
