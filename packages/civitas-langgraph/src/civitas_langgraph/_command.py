"""LangGraph's `Command` as what a message brings."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from langgraph.types import Command, Send

if TYPE_CHECKING:
    from civitas_langgraph._payload import GraphInput, Refuse

__all__ = ["is_command", "read_command"]

_FIELDS = frozenset(field.name for field in dataclasses.fields(Command))
_KEYS = ("resume", "update", "goto")


def is_command(payload: Any) -> bool:
    """Whether a `Command` was sent: it travels as a dict of all its fields."""
    return isinstance(payload, dict) and payload.keys() == _FIELDS


def read_command(payload: Any, graph: GraphInput, refuse: Refuse) -> Command[Any]:
    """The command that `payload` is: a dict with some of `resume`, `update` and `goto`."""
    if not isinstance(payload, dict):
        refuse("payload", f"a command is a dict with {_words()}; got {type(payload).__name__}")
    given = {key: value for key, value in payload.items() if value not in (None, [])}
    if given.pop("graph", None) is not None:
        refuse("payload.graph", "a message commands the agent's own graph; leave it out")
    for key in given:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            refuse(f"payload.{key}", f"a command takes {_words()}{hint}")
    if not given:
        refuse("payload", f"a command says at least one of {_words()}")
    if "update" in given:
        given["update"] = graph.update(given["update"], "payload.update", refuse)
    if "goto" in given:
        given["goto"] = _goto(given["goto"], "payload.goto", graph, refuse)
    return Command(**given)


def _goto(value: Any, where: str, graph: GraphInput, refuse: Refuse) -> list[str | Send]:
    """Where to go: the name of a node, ``{"node", "arg"}`` for a `Send`, or a list of these."""
    told: list[str | Send] = []
    for each in value if isinstance(value, list) else [value]:
        sends = isinstance(each, dict) and each.keys() == {"node", "arg"}
        node = each["node"] if sends else each
        graph.node(node, where, refuse)
        told.append(Send(node, each["arg"]) if sends else node)
    return told


def _words() -> str:
    return ", ".join(map(repr, _KEYS))
