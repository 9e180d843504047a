"""`Board`: what the screen of `civitas top` shows, and what each key changes of that. It does nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from civitas.cli.top.choosing import Agent, Choice, Order, chosen
from civitas.cli.top.pages import PAGES

__all__ = ["Act", "Board"]

_ORDERS = (None, *Order)
_PAGE = 10
_ACTIONS = {"r": "restart", "x": "stop", "p": "pause", "c": "resume"}
_MOVES = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page up": -_PAGE,
    "page down": _PAGE,
    "home": -(10**9),
    "end": 10**9,
}


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to be done.

    Attributes:
        action: `restart`, `stop`, `start`, `pause`, `resume` or `cancel`.
        on: Name of the agent, supervisor or run.
        question: What is asked before it is done.
    """

    action: str
    on: str
    question: str


class Board:
    """What is shown.

    Args:
        choice: Which agents at first, and in which order.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.about: Mapping[str, Any] = {}
        """The last overview, but for its agents."""
        self.agents: dict[str, Agent] = {}
        self.rows: Sequence[tuple[str, Agent]] = ()
        self.selected: str | None = None
        self.looks_into: str | None = None
        """The agent that is looked into; None while the list is shown."""
        self.inspected: Mapping[str, Any] | None = None
        self.refused = ""
        """Why it cannot be looked into."""
        self.runs: Sequence[Mapping[str, Any]] = ()
        self.run = 0
        self.page = PAGES[0]
        self.scrolled = 0
        self.typed: str | None = None
        """What is being searched for, while it is typed."""
        self.asks: Act | None = None
        """What waits for a yes."""
        self.note = ""
        self.failed = False
        """Whether the note is bad news."""
        self.helps = False
        self.over = False
        """Whether somebody wants to leave."""

    # What is known.

    def see(self, overview: Mapping[str, Any]) -> None:
        """Take what has changed in the system."""
        self.about = overview
        if overview["whole"]:
            # Everything, in the order of the tree.
            self.agents = {agent["name"]: agent for agent in overview["agents"]}
        else:
            for agent in overview["agents"]:
                self.agents[agent["name"]] = agent
            for name in overview["gone"]:
                self.agents.pop(name, None)
        self._choose()

    def look(self, inspected: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> None:
        """Take what is known of the agent that is looked into."""
        if inspected["name"] == self.looks_into:
            self.inspected, self.runs, self.refused = inspected, runs, ""
            self.run = max(0, min(self.run, len(runs) - 1))

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show a line until the next key."""
        self.note, self.failed = text, failed

    def _choose(self) -> None:
        self.rows = chosen(self.agents.values(), self.choice)
        names = [agent["name"] for _, agent in self.rows]
        if self.selected not in names:
            self.selected = names[0] if names else None

    # What is typed.

    def press(self, key: str) -> Act | None:
        """Take a key; what is to be done now, if anything."""
        if self.asks is not None:
            asks, self.asks = self.asks, None
            return asks if key in ("y", "Y") else None
        if self.typed is not None:
            self._type(key)
            return None
        self.note = ""
        if self.helps:
            self.helps = False
        elif key == "q":
            self.over = self.looks_into is None
            self.looks_into = None
        elif key == "?":
            self.helps = True
        elif key in _MOVES:
            self._move(_MOVES[key])
        elif key == "K":
            self.asks = self._cancelling()
        elif key in _ACTIONS:
            self.asks = self._acting(_ACTIONS[key])
        elif self.looks_into is not None:
            self._turn(key)
        elif key == "enter":
            self._enter()
        elif key == "/":
            self.typed = self.choice.search
        elif key == "escape":
            self._change(search="")
        elif key == "s":
            self.selected = None  # what comes first now is what is of interest
            self._change(order=_ORDERS[(_ORDERS.index(self.choice.order) + 1) % len(_ORDERS)])
        return None

    def _type(self, key: str) -> None:
        """A key of a text to search for; the list follows it."""
        assert self.typed is not None
        if key == "enter":
            self.typed = None
            return
        if key == "escape":
            self.typed = None
            self._change(search="")
            return
        if key == "backspace":
            self.typed = self.typed[:-1]
        elif len(key) == 1:
            self.typed += key
        self._change(search=self.typed)

    def _change(self, **choice: Any) -> None:
        self.choice = replace(self.choice, **choice)
        self._choose()

    def _move(self, by: int) -> None:
        if self.looks_into is not None:
            if self.page == "runs":
                self.run = max(0, min(self.run + by, len(self.runs) - 1))
            else:
                self.scrolled = max(0, self.scrolled + by)  # whoever draws it knows the end
            return
        names = [agent["name"] for _, agent in self.rows]
        if self.selected in names:
            self.selected = names[max(0, min(names.index(self.selected) + by, len(names) - 1))]

    def _enter(self) -> None:
        self.looks_into, self.inspected, self.refused = self.selected, None, ""
        self.runs, self.run, self.page, self.scrolled = (), 0, PAGES[0], 0

    def _turn(self, key: str) -> None:
        """Another page, or back to the list."""
        at = PAGES.index(self.page)
        if key == "escape":
            self.looks_into = None
        elif key in ("right", "left", "enter", "l", "h"):
            at += -1 if key in ("left", "h") else 1
        elif key.isdecimal() and 0 < int(key) <= len(PAGES):
            at = int(key) - 1
        self.page, self.scrolled = PAGES[at % len(PAGES)], 0

    def _acting(self, action: str) -> Act | None:
        name = self.looks_into or self.selected
        agent = self.agents.get(name or "")
        if name is None or agent is None:
            return None
        if action == "restart" and agent["status"] in ("stopped", "terminated"):
            action = "start"
        below = "" if agent["kind"] == "agent" else " and all below it"
        return Act(action, name, f"{action} {name!r}{below}?")

    def _cancelling(self) -> Act | None:
        name = self.looks_into or self.selected
        run: str | None = None
        if self.looks_into is not None and self.page == "runs" and self.runs:
            run = self.runs[self.run]["run"]
        elif (agent := self.agents.get(name or "")) is not None and agent["handling"] is not None:
            run = agent["handling"]["run"]
        if not run:
            self.say(f"{name!r} has no run in hand", failed=True)
            return None
        return Act("cancel", run, f"cancel the run {run!r} of {name!r}?")
