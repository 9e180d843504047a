"""What a conversation costs as it grows, beside what people keep conversations in without Civitas.

Each contestant runs in a Python process of its own, with its own SQLite file, all with the same graph or agent, and a
model that answers at once. Both sides have a write on the disk (write-ahead log, full sync) before a turn is over.
Written bytes are what the process caused to be written to the disk, `write_bytes` of Linux's `/proc/self/io`; on
another system they are left out.

- `length`: one conversation. A message and an answer of 2 kB each make a turn. Civitas makes all turns. A contestant
  that writes the whole conversation at each turn would take hours: it makes the last turns before each length, and what
  all would take is computed from these. `--whole` has it make all.
- `crowd`: 64 conversations at once, and `alone`: one conversation after another; turns a second. The contestants take
  turns, round after round, and the ratio is the median of those of the rounds.
- `spread`: the same as `crowd`, and with Civitas in 2 and 4 OS processes, each with a model of its own; the other in 2.
- `run`: one run of 200 steps, after which the state holds 1 MB; kept at each step, so that a kill loses none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.plot import Plot, drawn
from benchmarks.talks import TALKS
from benchmarks.talks.measures import KINDS, LENGTHS, Contestant, Length, Spent, serve

__all__ = ["main"]

_MEASURES = ("length", "alone", "crowd", "run")
_MORE = ("spread",)
_OURS = "civitas"

_Lengths = dict[str, dict[int, Length]]


def lengths(framework: str, turns: int, *, whole: bool) -> _Lengths:
    """What one conversation costs at each of `LENGTHS` up to `turns`, by contestant."""
    found: _Lengths = {who: {} for who, kinds in TALKS[framework].items() if "turns" in kinds}
    with ExitStack() as stack:
        contestants = {
            who: stack.enter_context(Contestant(framework, who, "length", whole=whole))
            for who in found
        }
        for each in LENGTHS:
            for who, contestant in contestants.items() if each <= turns else ():
                turn, all_ = contestant.measure()  # one behind the other, on the same machine
                found[who][each] = Length(Spent(*turn), Spent(*all_) if all_ else None)
    return found


def rounds(framework: str, what: str, count: int) -> dict[str, list[Spent]]:
    """What a turn or a run took in each round, by contestant."""
    kind = KINDS.get(what, "turns")
    names = [who for who, kinds in TALKS[framework].items() if kind in kinds]
    found: dict[str, list[Spent]] = {who: [] for who in names}
    with ExitStack() as stack:
        each = {who: stack.enter_context(Contestant(framework, who, what)) for who in names}
        for number in range(count):
            for who in names if number % 2 else reversed(names):
                found[who].append(Spent(*each[who].measure()))
    return found


def totals(costs: Mapping[int, Length]) -> dict[int, Spent]:
    """What all turns up to each length took; where they were not all made, between lengths in a straight line."""
    found: dict[int, Spent] = {}
    last, before, sum_ = 0, Spent(0.0, 0.0, 0, None), Spent(0.0, 0.0, 0, None)
    for turns, (turn, all_) in costs.items():
        slope = turn if not last else before
        count = (turns - last) / 2
        sum_ = Spent(
            sum_.seconds + count * (slope.seconds + turn.seconds),
            sum_.processor + count * (slope.processor + turn.processor),
            round((sum_.written or 0) + count * ((slope.written or 0) + (turn.written or 0))),
            None,
        )
        found[turns] = all_ or sum_
        last, before = turns, turn
    return found


# The tables.


def _mb(written: int | None) -> str:
    return "" if written is None else f"{written / 1e6:,.1f}"


def show_lengths(framework: str, found: _Lengths) -> None:
    """Print what was spent at each length, and that of Civitas over that of the other."""
    table = Table(f"{framework}: turns", "who", box=SIMPLE)
    for column in (
        "ms a turn",
        "of the processor",
        "kB a turn",
        "s for all",
        "MB for all",
        "MB in the file",
    ):
        table.add_column(column, justify="right")
    all_ = {who: totals(costs) for who, costs in found.items()}
    for turns in found[_OURS]:
        for who, costs in found.items():
            turn, total = costs[turns].turn, all_[who][turns]
            table.add_row(
                str(turns) if who == _OURS else "",
                who,
                f"{1000 * turn.seconds:.1f}",
                f"{1000 * turn.processor:.1f}",
                "" if turn.written is None else f"{turn.written / 1000:,.0f}",
                f"{total.seconds:.1f}{'' if costs[turns].all else ' *'}",
                f"{_mb(total.written)}{'' if costs[turns].all else ' *'}",
                _mb(total.file),
            )
    Console(width=120).print(table)
    if any(each.all is None for costs in found.values() for each in costs.values()):
        print("* computed from turns at these lengths")
    last = max(found[_OURS])
    print(f"{framework}, all of {last} turns: {_ratios({who: all_[who][last] for who in found})}")
    at = {who: costs[last].turn for who, costs in found.items()}
    print(f"{framework}, turn {last}: {_ratios(at)}")


def _ratios(spent: Mapping[str, Spent]) -> str:
    ours = spent[_OURS]
    told = []
    for who, theirs in spent.items():
        if who != _OURS:
            bytes_ = (ours.written or 0) / theirs.written if theirs.written else float("nan")
            told.append(
                f"{ours.seconds / theirs.seconds:.2f} x the time, "
                f"{ours.processor / theirs.processor:.2f} x the processor time and "
                f"{bytes_:.3f} x the bytes of {who}"
            )
    return ", ".join(told)


def show_rounds(framework: str, what: str, found: Mapping[str, Sequence[Spent]]) -> None:
    """Print the medians of the rounds, and the median of the ratios in each."""
    for who, each in found.items():
        seconds = median(spent.seconds for spent in each)
        processor = median(spent.processor for spent in each)
        written = median(spent.written or 0 for spent in each)
        figures = f"{1000 * processor:.2f} ms of the processor and {written / 1000:,.0f} kB written"
        if what == "run":
            print(f"{framework}, run: {who} {seconds:.2f} s, {figures}")
        else:
            print(f"{framework}, {what}: {who} {1 / seconds:.0f} turns/s; a turn {figures}")
    ours = [who for who in found if who.startswith(_OURS)]
    for our, their in product(ours, found.keys() - ours):
        pairs = list(zip(found[our], found[their], strict=True))
        ratios = sorted(theirs.seconds / one.seconds for one, theirs in pairs)
        processor = median(theirs.processor / one.processor for one, theirs in pairs)
        print(
            f"{framework}, {what}: {our} {median(ratios):.2f} x as fast as {their} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), {processor:.2f} x in processor time"
        )


def plotted(framework: str, found: _Lengths) -> str:
    """Time of a turn and bytes that were written until then, over the length, as an SVG."""
    a_turn = {
        who: {turns: 1000 * each.turn.seconds for turns, each in costs.items()}
        for who, costs in found.items()
    }
    written = {
        who: {turns: (each.written or 0) / 1e6 for turns, each in totals(costs).items()}
        for who, costs in found.items()
    }
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
        "--only", choices=[*_MEASURES, *_MORE], action="append", help="only that; may be repeated"
    )
    parser.add_argument(
        "--turns", type=int, default=LENGTHS[-1], help="of the longest conversation"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of `crowd`, `alone` and `spread`")
    parser.add_argument("--whole", action="store_true", help="have all contestants make all turns")
    parser.add_argument(
        "--plot", type=Path, metavar="FOLDER", help="also draw time and bytes over length there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        serve(*arguments.child, whole=arguments.whole)
        return 0
    figures: dict[str, dict[str, Any]] = {}
    for framework in arguments.frameworks or TALKS:
        found = figures[framework] = {}
        for what in arguments.only or _MEASURES:
            if what == "length":
                long = found[what] = lengths(framework, arguments.turns, whole=arguments.whole)
                show_lengths(framework, long)
                if arguments.plot:
                    file = arguments.plot / f"conversations-{framework}.svg"
                    file.write_text(plotted(framework, long))
            elif what != "run" or any("steps" in kinds for kinds in TALKS[framework].values()):
                count = 1 if what == "run" else arguments.rounds
                short = found[what] = rounds(framework, what, count)
                show_rounds(framework, what, short)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
