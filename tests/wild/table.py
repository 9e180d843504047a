"""The table in docs/wild.md; what stands above it there is written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.wild.case import COLUMNS, Case
from tests.wild.cases import CASES

__all__ = ["TABLE", "faults", "rows", "write"]

TABLE = Path(__file__).parents[2] / "docs" / "wild.md"

HEAD = ("agent", "framework", "what it is", "versions", *COLUMNS, "notes")

_AGAIN = {
    "LangGraph": "of the node in hand",
    "OpenAI Agents SDK": "of a `Runner` inside a tool or guardrail",
}


def faults(case: Case, cells: Mapping[str, str]) -> list[str]:
    """The cells that are not as the case says."""
    wrong = [
        f"{column}: {said}" for column, said in cells.items() if said and column not in case.gaps
    ]
    mended = [
        f"{column}: comes right, and is told as a gap"
        for column in case.gaps
        if not cells.get(column, "?")
    ]
    return wrong + mended


def rows() -> dict[str, str]:
    """The rows of the page as it is: the agent's name and the line."""
    table = TABLE.read_text().partition(f"| {HEAD[0]} |")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines if "| --- |" not in line}


def write(case: Case, result: Mapping[str, Any]) -> None:
    """Write the row of an agent; those of the others stay as they are."""
    lines = rows() | {case.name: _row(case, result)}
    table = [_line(HEAD), _line(["---"] * len(HEAD))]
    table += [lines[each.name] for each in CASES if each.name in lines]
    above = TABLE.read_text().partition(f"| {HEAD[0]} |")[0]
    TABLE.write_text(above + "\n".join(table) + "\n")


def _row(case: Case, result: Mapping[str, Any]) -> str:
    cells = [_cell(case, column, result["cells"]) for column in COLUMNS]
    notes = [f"{column}: {why}" for column, why in (case.inapplicable | case.gaps).items()]
    if case.redone:
        calls = "calls" if case.redone > 1 else "call"
        notes.append(f"kills: up to {case.redone} finished {calls} again, {_AGAIN[case.framework]}")
    head = (case.name, case.framework, case.source, result["versions"])
    return _line([*head, *cells, "; ".join(notes)])


def _cell(case: Case, column: str, cells: Mapping[str, str]) -> str:
    if column in case.inapplicable:
        return "-"
    if column in case.gaps:
        return "gap"
    return "ok" if cells.get(column) == "" else "FAILED"


def _line(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
