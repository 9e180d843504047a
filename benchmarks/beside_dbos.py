"""Durable steps beside those of DBOS, its newest version, in the environment of `make bench-peers`.

Both keep their steps in a file of SQLite on the same disk, and both have each step on the disk before the next begins
(`synchronous=FULL`).
"""

from __future__ import annotations

import sys

from benchmarks import durable
from benchmarks.harness import Benchmark, Measurement, at_least
from benchmarks.peers.environments import install, started
from benchmarks.peers.registry import PEERS

__all__ = ["ONE", "SIXTEEN"]

_STEPS = 50


def _dbos(runs: int) -> Measurement:
    def measure() -> float:
        peer = PEERS["dbos"]
        with started(peer, install(peer)) as contestant:
            contestant.do("steps", 2)  # it prepares what it needs
            size = runs * _STEPS
            seconds = contestant.do("steps" if runs == 1 else "many-steps", size).seconds
            version = contestant.versions["dbos"]
        print(f"  DBOS {version}: {size / seconds:.0f} steps a second", file=sys.stderr)
        return size / seconds

    return measure


ONE = Benchmark(
    "durable step, one run, beside DBOS",
    "/s",
    {"limit": _dbos(1), "civitas": durable.steps(1, _STEPS)},
    at_least(5),
)
SIXTEEN = Benchmark(
    "durable steps, 16 runs at once, beside DBOS",
    "/s",
    {"limit": _dbos(16), "civitas": durable.steps(16, _STEPS)},
    at_least(30),
)
