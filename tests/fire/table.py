"""The table in docs/fire.md; what stands above it there is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.fire.harness import SCENARIOS

__all__ = ["TABLE", "rows", "write"]

TABLE = Path(__file__).parents[2] / "docs" / "fire.md"

HEAD = (
    *("scenario", "seed", "seconds", "accepted", "handled", "lost", "doubled", "in flight"),
    *("out of order", "unanswered", "told late", "result", "notes"),
)


def rows() -> dict[str, str]:
    """The rows of the page as it is: the scenario's name and the line."""
    table = TABLE.read_text().partition(f"| {HEAD[0]} |")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines if "| --- |" not in line}


def write(row: Mapping[str, Any]) -> str:
    """Write the row of a scenario and return it; those of the others stay as they are."""
    line = _row(row)
    lines = rows() | {row["name"]: line}
    table = [_line(HEAD), _line(["---"] * len(HEAD))]
    table += [lines[name] for name in SCENARIOS if name in lines]
    above = TABLE.read_text().partition(f"| {HEAD[0]} |")[0]
    TABLE.write_text(above + "\n".join(table) + "\n")
    return line


def _row(row: Mapping[str, Any]) -> str:
    counts = ("accepted", "handled", "lost", "doubled", "in_flight", "disorder", "unanswered")
    result = "FAILED" if row["faults"] else "ok"
    numbers = (f"{row[count]:,}" for count in (*counts, "late"))
    return _line([row["name"], row["seed"], f"{row['seconds']:g}", *numbers, result, row["notes"]])


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
