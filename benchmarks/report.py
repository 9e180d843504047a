"""What the benchmarks found, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Result

__all__ = ["as_data", "environment", "show"]

_PACKAGES = ("civitas-core", "msgpack", "opentelemetry-sdk", "pykka")


def environment() -> str:
    """The machine and the versions, in a line."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores, {platform.system()}, {python}, {packages}, {load}"


def as_data(results: dict[str, Result]) -> dict[str, Any]:
    """Everything that was measured, as plain data."""
    return {
        "environment": environment(),
        "results": {
            name: {
                "title": result.benchmark.title,
                "unit": result.benchmark.unit,
                "target": result.benchmark.target.text,
                "reached": result.reached,
                "figures": result.figures,
                "ratios": {each: result.ratios(each) for each in result.figures},
            }
            for name, result in results.items()
        },
    }


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def show(results: dict[str, Result]) -> None:
    """Print the table: medians, and each contestant's ratio to the limit with its least and its greatest."""
    table = Table("what", "who", "median", "ratio to limit", "must reach", "", box=SIMPLE)
    for column in (2, 3):
        table.columns[column].justify = "right"
    for result in results.values():
        title = result.benchmark.title
        for name in result.figures:
            row = [title, name, f"{_figure(result.median(name))} {result.benchmark.unit}"]
            if name != "limit":
                ratios = result.ratios(name)
                row.append(f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
            if name == "civitas":
                row += [result.benchmark.target.text, "yes" if result.reached else "no"]
            table.add_row(*row)
            title = ""
    Console(width=110).print(table)
