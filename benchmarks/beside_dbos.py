"""Durable steps beside those of DBOS, its newest version, which is installed into an environment of its own.

Both keep their steps in a file of SQLite on the same disk, and both have each step on the disk before the next begins
(`synchronous=FULL`).
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
import venv
from functools import cache
from pathlib import Path

from benchmarks import durable
from benchmarks.harness import Benchmark, Measurement, at_least

__all__ = ["ONE", "SIXTEEN"]

_PROGRAM = Path(__file__).with_name("dbos_steps.py")
_STEPS = 50


@cache
def _python() -> Path:
    """The interpreter of an environment that has DBOS."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "dbos"], check=True)
    return python


def _dbos(runs: int) -> Measurement:
    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            command: list[str | Path] = [
                _python(),
                _PROGRAM,
                f"{folder}/dbos.db",
                str(runs),
                str(_STEPS),
            ]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            version, steps = told.split()[-2:]
            print(f"  DBOS {version}: {float(steps):.0f} steps a second", file=sys.stderr)
            return float(steps)

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
