"""What `import civitas`, the runtime and the help of the command line cost, beside a Python that imports asyncio."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from benchmarks.harness import Benchmark, Measurement, at_most, uses_processor_time

__all__ = ["HELP", "IMPORT", "RUNTIME"]


def _python(code: str) -> Measurement:
    def clock() -> float:
        if not uses_processor_time():
            return time.perf_counter()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def measure() -> float:
        started = clock()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        return (clock() - started) * 1e3

    return measure


_LIMIT = _python("import asyncio")
IMPORT = Benchmark(
    "start Python and import civitas",
    "ms",
    {"limit": _LIMIT, "civitas": _python("import civitas")},
    at_most(90, "ms"),
)
RUNTIME = Benchmark(
    "start Python and import the runtime",
    "ms",
    {
        "limit": _LIMIT,
        "civitas": _python("from civitas import AgentProcess, Message, Runtime, Supervisor"),
    },
    at_most(150, "ms"),
)
HELP = Benchmark(
    "civitas --help",
    "ms",
    {"limit": _LIMIT, "civitas": _python("from civitas.cli import main; main(['--help'])")},
    at_most(250, "ms"),
)
