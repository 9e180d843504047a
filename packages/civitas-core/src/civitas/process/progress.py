"""`Progress`: how far the handling of a message has come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from civitas.process.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["USAGE", "Progress"]

USAGE = "civitas-usage"
"""The header of a reply with what the models of its run used: JSON text of an object with four numbers."""

_Usage: TypeAlias = tuple[int, int, int, int]
_NOTHING: _Usage = (0, 0, 0, 0)


class Progress:
    """How far the handling of one message has come, for whoever looks.

    It is written as things happen, in any thread, and may be read at any moment; nothing waits for it.

    Args:
        message_id: Id of the message.
        names_steps: Whether whoever handles it names its steps; otherwise those are the keys of what is recorded.
    """

    __slots__ = (
        "before",
        "is_whole",
        "last",
        "message_id",
        "moved",
        "names_steps",
        "owes",
        "recounts",
        "retry_at",
        "steady",
        "step",
        "telling",
        "tool",
        "trail",
        "unpriced",
        "usage",
        "usd",
    )

    def __init__(self, message_id: str, *, names_steps: bool = False) -> None:
        self.message_id = message_id
        self.names_steps = names_steps
        self.recounts = names_steps
        """Whether its `usage` counts what is replayed, so that it need not be recorded."""
        self.step = ""
        """The step that began last, by its name: a node, an agent, a task, the key of a `step`."""
        self.tool = ""
        """The tool that was called last, if its call goes on."""
        self.retry_at: float | None = None
        """Unix seconds when it is tried again, while it waits for that."""
        self.usage = _NOTHING
        """What its models used so far: requests, tokens read, tokens written, tokens in all."""
        self.usd = 0.0
        """What its models cost so far, in US dollars."""
        self.unpriced = False
        """Whether nobody knows what some call cost."""
        self.before = _NOTHING
        """The part of `usage` that earlier deliveries of the message have used, as far as that was recorded."""
        self.is_whole = False
        """Whether what earlier deliveries recorded is in it."""
        self.owes = False
        """Whether more was used or paid than is recorded."""
        self.trail = Trail()
        """Its steps."""
        self.telling = 0
        """How many chunks wait for a slow reader."""
        self.moves("it began")

    def moves(self, what: str) -> None:
        """It has come further: `what` happened, in words."""
        self.last = what
        """What happened last, in words."""
        self.moved = time.time()
        """Unix seconds when anything of this changed last."""
        self.steady = time.monotonic()
        """The same by the clock that nobody sets."""

    def begins(self, step: str) -> None:
        """A step begins."""
        self.step, self.tool = step, ""
        self.moves(f"the step {step!r} began")

    def calls(self, tool: str) -> None:
        """A tool is called."""
        self.tool = tool
        self.moves(f"the tool {tool!r} was called")

    def called(self, tool: str) -> None:
        """A tool is done."""
        if self.tool == tool:
            self.tool = ""
        self.moves(f"the tool {tool!r} was done")

    def uses(
        self, requests: int, input_tokens: int, output_tokens: int, total_tokens: int | None = None
    ) -> None:
        """What all models have used now: so many requests and tokens."""
        total = input_tokens + output_tokens if total_tokens is None else total_tokens
        used = requests, input_tokens, output_tokens, total
        if used != self.usage:
            self.usage, self.owes = used, self.owes or not self.recounts
        self.moves("a model answered")

    def paid(self, read: int, written: int, usd: float | None) -> None:
        """A call of a model was made: so many tokens were read and written, for so many dollars; None if unknown."""
        before = self.usd, self.unpriced
        try:
            read, written = int(read), int(written)
            self.usd += 0.0 if usd is None else float(usd)
        except (
            TypeError,
            ValueError,
        ):  # a provider may say anything, and that must not fail the call
            usd = None
            read = written = 0
        if usd is None:
            self.unpriced = True
        if (self.usd, self.unpriced) != before:
            self.owes = True
        if not self.names_steps:  # otherwise whoever handles the message says what is used
            requests, came, went, total = self.usage
            self.uses(requests + 1, came + read, went + written, total + read + written)

    # What is kept of it with the steps, so that nothing is lost of it with the process.

    def spent(self) -> dict[str, Any]:
        """What was used and paid so far, to be recorded now."""
        self.owes = False
        usage = _NOTHING if self.recounts else self.usage
        return {
            "run": self.message_id,
            "usage": list(usage),
            "usd": self.usd,
            "unpriced": self.unpriced,
        }

    def spent_before(self, told: Mapping[str, Any] | None) -> None:
        """Earlier deliveries have used that, as `spent` told it; nothing if they were of another message."""
        if told is not None and told["run"] == self.message_id:
            requests, read, written, total = told["usage"]
            self._adds((requests, read, written, total), told["usd"])
            self.unpriced = self.unpriced or told["unpriced"]

    def takes_over(self, earlier: Progress) -> None:
        """The same message is tried again here: what the try before has paid was paid for it."""
        self._adds(earlier.usage, earlier.usd)
        self.unpriced = self.unpriced or earlier.unpriced
        self.owes, self.is_whole = earlier.owes, earlier.is_whole

    def _adds(self, usage: _Usage, usd: float) -> None:
        self.before = usage
        self.usd += usd
        if not self.names_steps:  # otherwise what whoever handles the message says includes it
            now = self.usage
            self.usage = now[0] + usage[0], now[1] + usage[1], now[2] + usage[2], now[3] + usage[3]

    def waits(self, seconds: float) -> None:
        """It is tried again after so many seconds."""
        self.moves("it failed and waits to be tried again")
        self.retry_at = self.moved + seconds

    def plain(self) -> dict[str, Any]:
        """As plain data, without what there is nothing to say of."""
        told = {
            "step": f"{self.step}: {self.tool}"
            if self.step and self.tool
            else self.step or self.tool,
            "moved": self.moved,
            "retry_at": self.retry_at,
            "usage": list(self.usage) if any(self.usage) else None,
        }
        return {name: each for name, each in told.items() if each}

    def account(self) -> dict[str, Any]:
        """What stays of it when the message is finished, beside `plain`, without what there is nothing to say of."""
        told: dict[str, Any] = {}
        if steps := self.trail.plain():
            told["steps"] = steps
        if self.usd and not self.unpriced:
            told["usd"] = self.usd
        return told
