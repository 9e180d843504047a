"""What Civitas takes beside the least code that can do the job, in processor time, which other load changes little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

from benchmarks import messages, restart
from benchmarks.harness import Benchmark, run, use_processor_time

__all__ = ["RATIOS", "Measure"]

Measure = Callable[[], float]

_ROUNDS = 5


def _ratio(benchmark: Benchmark, rate: bool) -> float:
    """How many times as long it takes as the limit: the median of a few rounds."""
    use_processor_time()
    chosen = {name: benchmark.contestants[name] for name in ("limit", "civitas")}
    few = Benchmark(benchmark.title, benchmark.unit, chosen, benchmark.target)
    ratio = median(run(few, _ROUNDS).ratios("civitas"))
    return 1 / ratio if rate else ratio


RATIOS: Mapping[str, Measure] = {
    "time of an ask, beside the limit": partial(_ratio, messages.ASK, False),
    "time of a send, beside the limit": partial(_ratio, messages.SEND, True),
    "time of a crash, beside the limit": partial(_ratio, restart.RESTART, False),
}
"""By what it is; less is better."""
