"""Compares counts and ratios with those that are recorded, and exits 1 if one is worse by more than its noise.

Something that is worse is measured twice more before it counts. `--record` writes down what is measured now.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.guard.counts import counts
from benchmarks.guard.ratios import RATIOS
from benchmarks.guard.recorded import FILE, Recorded, forgotten, pythons, read, worse, write

_RECORDINGS, _TRIES = 5, 3
_LEAST_OF_COUNTS, _LEAST_OF_RATIOS = 0.01, 0.10


def main() -> int:
    """Compare or record, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {FILE.name} anew")
    parser.add_argument("--counts", action="store_true", help="leave out what takes time")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the crashes are on purpose
    if arguments.record:
        _record()
        print(f"bench-check: {FILE.name} is written")
        return 0
    recorded = read()
    if not recorded:
        this, those = pythons()
        there = f"only for {', '.join(those)}" if those else "for no version"
        print(
            f"bench-check: nothing is recorded for Python {this}, {there}; --record does it",
            file=sys.stderr,
        )
        return 2
    counted = asyncio.run(counts())
    found = worse(counted, recorded) | forgotten((*counted, *RATIOS), recorded)
    for what in () if arguments.counts else RATIOS:
        found |= _compared(what, recorded)
    for sentence in found.values():
        print(f"  {sentence}", file=sys.stderr)
    print(f"bench-check: {len(found)} figures are worse than recorded, or not in both")
    return 1 if found else 0


def _compared(what: str, recorded: dict[str, Recorded]) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(_TRIES):
        found = worse({what: RATIOS[what]()}, recorded)
        if not found:
            break
    return found


def _record() -> None:
    rounds = []
    for number in range(_RECORDINGS):
        print(f"[{number + 1}/{_RECORDINGS}] ...", file=sys.stderr)
        rounds.append(asyncio.run(counts()))
    figures = {
        what: _noted([each[what] for each in rounds], _LEAST_OF_COUNTS) for what in rounds[0]
    }
    for what, measure in RATIOS.items():
        print(f"{what} ...", file=sys.stderr)
        figures[what] = _noted([measure() for _ in range(_RECORDINGS)], _LEAST_OF_RATIOS)
    write(figures)


def _noted(values: Sequence[float], least: float) -> Recorded:
    middle = median(values)
    noise = max(least, 2 * max(abs(value - middle) for value in values) / middle)
    return Recorded(round(middle, 3), round(noise, 3))


if __name__ == "__main__":
    sys.exit(main())
