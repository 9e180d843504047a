"""Run the benchmarks: `python -m benchmarks [--pairs N] [--strict] [NAME ...]`."""

from __future__ import annotations

import argparse
import logging
import sys

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks import limits, ours, tracing, writers
from benchmarks.pairs import Case, Result, measure

CASES = {
    "ask": Case(
        "ask, one after another",
        "µs",
        limits.ask,
        ours.ask,
        "≤ 1.5 x limit",
        lambda limit, ours: ours <= 1.5 * limit,
    ),
    "send": Case(
        "send, until handled",
        "k/s",
        limits.send,
        ours.send,
        "≥ 0.85 x limit",
        lambda limit, ours: ours >= 0.85 * limit,
    ),
    "crowd": Case(
        "1000 agents, 100 askers",
        "k/s",
        limits.crowd,
        ours.crowd,
        "≥ 0.6 x limit",
        lambda limit, ours: ours >= 0.6 * limit,
    ),
    "restart": Case(
        "crash until the next answer",
        "µs",
        limits.restart,
        ours.restart,
        "≤ 150 µs",
        lambda _, ours: ours <= 150,
    ),
    "memory": Case(
        "an idle agent",
        "KiB",
        limits.idle_memory,
        ours.idle_memory,
        "≤ 7 KiB",
        lambda _, ours: ours <= 7,
    ),
    "start": Case(
        "10,000 agents started",
        "s",
        limits.start_many,
        ours.start_many,
        "≤ 0.8 s",
        lambda _, ours: ours <= 0.8,
    ),
    "checkpoint": Case(
        "durable checkpoint, SQLite",
        "/s",
        limits.checkpoint,
        ours.checkpoint,
        "≥ 0.7 x limit",
        lambda limit, ours: ours >= 0.7 * limit,
    ),
    "writers": Case(
        "durable checkpoints, 64 writers",
        "/s",
        writers.raw,
        writers.ours,
        "≥ 0.7 x limit",
        lambda limit, ours: ours >= 0.7 * limit,
    ),
    "sampled-out": Case(
        "an ask's spans, sampled out",
        "µs",
        *tracing.sampled_out,
        "≤ 1.25 x SDK",
        lambda limit, ours: ours <= 1.25 * limit,
    ),
    "recorded": Case(
        "an ask's spans, recorded",
        "µs",
        *tracing.recorded,
        "≤ SDK + 15 µs",
        lambda limit, ours: ours <= limit + 15,
    ),
}


def main() -> int:
    """Measure what was asked for, and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(CASES)}")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of each (default: 7)")
    parser.add_argument("--strict", action="store_true", help="exit 1 where one is not reached")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in CASES]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(CASES)}")
    logging.disable(logging.CRITICAL)  # crashes on purpose are logged, and would be measured

    names = arguments.names or list(CASES)
    results = []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {CASES[name].name} ...", file=sys.stderr)
        results.append(measure(CASES[name], arguments.pairs))
    show(results)
    reached = sum(result.reached for result in results)
    print(f"bench: {reached} of {len(results)} reach what they must")
    return 1 if arguments.strict and reached < len(results) else 0


def show(results: list[Result]) -> None:
    """Print the table."""
    table = Table("what", "limit", "civitas", "ratio", "must reach", "", box=SIMPLE)
    for result in results:
        unit = result.case.unit
        table.add_row(
            result.case.name,
            f"{result.limit:,.2f} {unit}",
            f"{result.ours:,.2f} {unit}",
            f"{result.ratio:.2f}",
            result.case.reach,
            "yes" if result.reached else "no",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
