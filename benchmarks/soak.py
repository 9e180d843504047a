"""A mixed load with crashes and kills for long, and a plot of what its processes hold meanwhile.

It runs the scenario `soak` of `make test-fire`, which fails if something has grown, for an hour by default.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.plot import Plot, drawn

__all__ = ["main", "plotted"]

_POINTS = 60
_MINUTES = 600.0
"""From that many seconds on the plots are over minutes."""
_ROOT = "root"


def plotted(samples: Sequence[Mapping[str, Mapping[str, float]]], seconds: float) -> str:
    """The plots, as an SVG: the memory of each process, and what else the root holds.

    Args:
        samples: What each process held, again and again.
        seconds: The time that they cover.
    """
    each = -(-len(samples) // _POINTS)
    unit, long = ("minutes", seconds / 60) if seconds >= _MINUTES else ("seconds", seconds)
    parts = [samples[at : at + each] for at in range(0, len(samples), each)]

    def line(process: str, what: str) -> dict[int, float]:
        return {
            round((number + 1) * each / len(samples) * long): median(
                sample[process][what] for sample in part if process in sample
            )
            for number, part in enumerate(parts)
            if any(process in sample for sample in part)
        }

    memory = {process: line(process, "MiB") for process in samples[-1]}
    others = {what: line(_ROOT, what) for what in samples[-1][_ROOT] if what != "MiB"}
    return drawn(
        [
            Plot("Resident memory", f"{unit} of mixed load", "MiB", memory, even=True),
            Plot("What else the root holds", f"{unit} of mixed load", "", others, even=True),
        ]
    )


def _ran(seconds: float, seed: int, samples: Path) -> bool:
    """Run it, and return whether nothing has grown and nothing else went wrong."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.fire.harness", "soak"]
    command += ["--seconds", str(seconds), "--seed", str(seed), "--samples", str(samples)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    print(row["notes"], *row["faults"], sep="\n", flush=True)
    return not row["faults"]


def main() -> int:
    """Run and draw it; return the exit code, 1 where something has grown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw it there")
    parser.add_argument("--drawn-from", type=Path, metavar="FILE", help="of --samples, run nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = arguments.drawn_from or Path(folder) / "samples.json"
        flat = bool(arguments.drawn_from) or _ran(arguments.seconds, arguments.seed, samples)
        if arguments.plot:
            text = plotted(json.loads(samples.read_text()), arguments.seconds)
            (arguments.plot / "soak.svg").write_text(text)
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
