"""What `import civitas` costs a program that has asyncio already."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.harness import Benchmark, Measurement, at_most

__all__ = ["IMPORT"]


def _python(code: str) -> Measurement:
    def measure() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - started) * 1e3

    return measure


IMPORT = Benchmark(
    "start Python and import",
    "ms",
    {"limit": _python("import asyncio"), "civitas": _python("import civitas")},
    at_most(150, "ms"),
)
