"""`civitas topology diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text

from civitas.cli.console import stdout
from civitas.cli.payloads import json_text
from civitas.cli.trees import facts_of
from civitas.topology import load
from civitas.topology.difference import HIDDEN, NOTHING, Change, compare

__all__ = ["print_differences"]

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red")}
_CHANGED = ("~", "yellow")


def print_differences(old: Path, new: Path, *, as_json: bool) -> int:
    """Print what changes from one topology to another.

    Returns:
        The exit code: 0 when they mean the same, 1 when not.
    Raises:
        TopologyError: One of them is not valid.
    """
    after = load(new)
    changes = compare(load(old), after)
    console = stdout()
    if as_json:
        print(json_text([_plain(change) for change in changes]))
    elif not changes:
        console.print("no difference", style="dim")
    else:
        entries = {entry.name: entry for _, _, entry in after.walk()}
        for change in changes:
            entry = entries.get(change.name) if change.change == "added" else None
            console.print(_line(change, facts_of(entry) if entry is not None else []))
    return 1 if changes else 0


def _line(change: Change, facts: list[str]) -> Text:
    sign, style = _SIGNS.get(change.change, _CHANGED)
    line = Text(f"{sign} {change.kind.replace('_', ' ')} ", style=style)
    line.append(change.name, style="bold")
    old, new = _spelled(change.old), _spelled(change.new)
    match change.change:
        case "added":
            under = [f"under {new}"] if change.new is not NOTHING else []
            text = ", ".join([*under, *facts])
        case "removed":
            text = f"was under {old}" if change.old is not NOTHING else ""
        case "moved":
            text = f"moved from {old} to {new}"
        case "reordered":
            text = f"order: {', '.join(change.old)} → {', '.join(change.new)}"
        case "changed" if HIDDEN in (change.old, change.new):
            text = f"{change.key}: {_hidden(change)}"
        case "changed":
            text = f"{change.key}: {old} → {new}"
    return line.append(f"  {text}" if text else "", style="not bold")


def _hidden(change: Change) -> str:
    if change.old is NOTHING:
        return "added"
    return "removed" if change.new is NOTHING else "changed"


def _spelled(value: Any) -> str:
    """A value as it would look in the file, more or less; `-` if there is none."""
    if value is NOTHING:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value else json_text(value)


def _plain(change: Change) -> dict[str, Any]:
    values: dict[str, Any] = {"change": change.change, "kind": change.kind, "name": change.name}
    if change.key:
        values["key"] = change.key
    given = {"old": change.old, "new": change.new}
    return values | {side: value for side, value in given.items() if value is not NOTHING}
