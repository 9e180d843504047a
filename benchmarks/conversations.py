"""What a conversation costs as it grows, beside what people keep conversations in without Civitas.

Each contestant runs in a Python process of its own, with its own SQLite file, all with the same graph or agent, and a
model that answers at once. Written bytes are what the process caused to be written to the disk, `write_bytes` of
Linux's `/proc/self/io`; on another system they are left out.

- `length`: one conversation. A message and an answer of 2 kB each make a turn.
- `crowd`: 64 conversations at once, and `alone`: as many turns in one conversation after another; turns a second.
- `run`: one run of 200 steps, after which the state holds 1 MB; kept at each step, so that a kill loses none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.plot import Plot, drawn
from benchmarks.talks import TALKS, Talk, text

__all__ = ["main"]

LENGTHS = (25, 100, 400, 1600)
CROWD, SHORT = 64, 10
STEPS, STATE = 200, 1_000_000


class Spent(NamedTuple):
    """What was spent since a conversation began.

    Attributes:
        seconds: By the clock.
        written: Bytes; None where the system does not say.
        file: Size of the database with its log, in bytes.
    """

    seconds: float
    written: int | None
    file: int


class Meter:
    """Measures what is spent from now on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = _written()
        self._started = time.perf_counter()

    def read(self) -> Spent:
        """What was spent until now."""
        seconds = time.perf_counter() - self._started
        written = _written()
        size = sum(each.stat().st_size for each in self._folder.iterdir() if each.is_file())
        done = (
            written - self._written if written is not None and self._written is not None else None
        )
        return Spent(seconds, done, size)


def _written() -> int | None:
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


# What is measured. Each is given a contestant and a folder, and returns what it prints as JSON.


async def length(talk: Talk, folder: Path, most: int) -> dict[int, Spent]:
    """One conversation of up to `most` turns: what was spent after each of `LENGTHS`."""
    spent = {}
    async with talk(folder, 1) as turn:
        await turn("before", text(0))
        meter = Meter(folder)
        for number in range(1, most + 1):
            await turn("long", text(number))
            if number in LENGTHS:
                spent[number] = meter.read()
    return spent


async def crowd(talk: Talk, folder: Path, most: int) -> float:
    """Turns a second of `CROWD` conversations at once, each with `SHORT` turns."""

    async def converse(turn: Any, name: str) -> None:
        for number in range(SHORT):
            await turn(name, text(number))

    async with talk(folder, CROWD) as turn:
        await turn("before", text(0))
        started = time.perf_counter()
        await asyncio.gather(*(converse(turn, f"c{each}") for each in range(CROWD)))
        return CROWD * SHORT / (time.perf_counter() - started)


async def alone(talk: Talk, folder: Path, most: int) -> float:
    """Turns a second of conversations one after the other."""
    async with talk(folder, 1) as turn:
        await turn("before", text(0))
        started = time.perf_counter()
        for each in range(CROWD // 4):
            for number in range(SHORT):
                await turn(f"c{each}", text(number))
        return CROWD // 4 * SHORT / (time.perf_counter() - started)


async def run(talk: Talk, folder: Path, most: int) -> Spent:
    """One run of `STEPS` steps, each of which adds its part of `STATE` bytes."""
    async with talk(folder, 1) as turn:
        await turn("before", "1")
        meter = Meter(folder)
        await turn("run", str(STEPS))
        return meter.read()


MEASURES: dict[str, Callable[[Talk, Path, int], Coroutine[Any, Any, Any]]] = {
    "length": length,
    "alone": alone,
    "crowd": crowd,
    "run": run,
}


def measure(framework: str, who: str, what: str, most: int) -> Any:
    """Run one contestant in a process of its own; what its measure returned, as plain data."""
    command = [sys.executable, "-m", "benchmarks.conversations", "--child", framework, who, what]
    done = subprocess.run(
        [*command, "--turns", str(most)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def _child(framework: str, who: str, what: str, most: int) -> None:
    logging.disable(logging.CRITICAL)
    kind = "steps" if what == "run" else "turns"
    with tempfile.TemporaryDirectory() as folder:
        talk = TALKS[framework][who][kind]
        print(json.dumps(asyncio.run(MEASURES[what](talk, Path(folder), most))))


# The tables.


def _mb(written: int | None) -> str:
    return "" if written is None else f"{written / 1e6:,.1f}"


def show_lengths(framework: str, found: dict[str, dict[str, list[Any]]]) -> None:
    """Print what was spent at each length, and that of Civitas over that of the other."""
    table = Table(f"{framework}: turns", "who", box=SIMPLE)
    for column in ("s", "ms a turn", "MB written", "MB in the file"):
        table.add_column(column, justify="right")
    before = {who: Spent(0.0, 0, 0) for who in found}
    last = 0
    for turns in next(iter(found.values())):
        first = turns
        for who, each in found.items():
            now = Spent(*each[turns])
            a_turn = (now.seconds - before[who].seconds) / (int(turns) - last)
            figures = (
                f"{now.seconds:.2f}",
                f"{1000 * a_turn:.1f}",
                _mb(now.written),
                _mb(now.file),
            )
            table.add_row(first, who, *figures)
            before[who], first = now, ""
        last = int(turns)
    Console(width=110).print(table)
    print(f"{framework}, {last} turns: {_ratios(before)}")


def _ratios(spent: dict[str, Spent]) -> str:
    ours = spent["civitas"]
    told = []
    for who, theirs in spent.items():
        if who != "civitas":
            bytes_ = (ours.written or 0) / theirs.written if theirs.written else float("nan")
            told.append(
                f"{ours.seconds / theirs.seconds:.2f} x the time and {bytes_:.3f} x the bytes of {who}"
            )
    return ", ".join(told)


def plotted(framework: str, found: dict[str, dict[str, list[Any]]]) -> str:
    """Time of a turn and bytes that were written until then, over the length, as an SVG."""
    a_turn: dict[str, dict[int, float]] = {}
    written: dict[str, dict[int, float]] = {}
    for who, each in found.items():
        before, last = Spent(0.0, 0, 0), 0
        for turns, spent in each.items():
            now, number = Spent(*spent), int(turns)
            milliseconds = 1000 * (now.seconds - before.seconds) / (number - last)
            a_turn.setdefault(who, {})[number] = milliseconds
            written.setdefault(who, {})[number] = (now.written or 0) / 1e6
            before, last = now, number
    across = "turns of 4 kB in one conversation"
    return drawn(
        [
            Plot(f"{framework}: time of a turn", across, "ms", a_turn),
            Plot(f"{framework}: written to disk so far", across, "MB", written),
        ]
    )


def main() -> int:
    """Measure what was asked for, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversations", description=__doc__)
    parser.add_argument("frameworks", nargs="*", help=f"of: {', '.join(TALKS)}")
    parser.add_argument(
        "--only", choices=MEASURES, action="append", help="only that; may be repeated"
    )
    parser.add_argument(
        "--turns", type=int, default=LENGTHS[-1], help="of the longest conversation"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FOLDER", help="also draw time and bytes over length there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        framework, who, what = arguments.child
        _child(framework, who, what, arguments.turns)
        return 0
    figures: dict[str, Any] = {}
    for framework in arguments.frameworks or TALKS:
        talks = TALKS[framework]
        for what in arguments.only or MEASURES:
            kind = "steps" if what == "run" else "turns"
            found = {
                who: measure(framework, who, what, arguments.turns)
                for who, kinds in talks.items()
                if kind in kinds
            }
            if not found:
                continue
            figures.setdefault(framework, {})[what] = found
            if what == "length":
                show_lengths(framework, found)
                if arguments.plot:
                    file = arguments.plot / f"conversations-{framework}.svg"
                    file.write_text(plotted(framework, found))
            elif what == "run":
                spent = {who: Spent(*each) for who, each in found.items()}
                for who, each in spent.items():
                    print(
                        f"{framework}, run: {who} {each.seconds:.2f} s, {_mb(each.written)} MB written"
                    )
                print(f"{framework}, run: {_ratios(spent)}")
            else:
                told = ", ".join(f"{who} {each:.0f}" for who, each in found.items())
                others = [each for who, each in found.items() if who != "civitas"]
                print(f"{framework}, {what}: {told} turns/s, {found['civitas'] / others[0]:.2f} x")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
