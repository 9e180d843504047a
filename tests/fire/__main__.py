"""Runs every scenario, one after the other, and writes the table: `make test-fire`.

ARGS="-k word ..." picks those whose name has one of the words, "--seconds 300" burns longer, "--seed 7" repeats what
was random in a run. Exits 1 where something was lost, doubled, out of order, unanswered or told late.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fire.harness import SCENARIOS, Row
from tests.fire.table import HEAD, TABLE, write

ROOT = Path(__file__).parents[2]
AROUND = {"full_disk": ["unshare", "-rm"]}
"""A file system of its own, which needs no rights on Linux with user namespaces."""
SLACK = 240.0
"""Seconds beside those of the fire: to start, to settle and to end."""


def run(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Run a scenario in a process of its own; what it logs goes to our standard error."""
    around = AROUND.get(name, [])
    command = [*around, sys.executable, "-W", "ignore", "-m", "tests.fire.harness", name]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    row = Row(name, seed, seconds)
    if around and (
        not shutil.which(around[0]) or subprocess.run([*around, "true"], check=False).returncode
    ):
        row.faults.append(f"{around[0]} is not to be had here: it needs Linux with user namespaces")
        return asdict(row)
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=seconds + SLACK
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        row.faults.append(f"it took more than {seconds + SLACK:.0f} s")
    except (IndexError, ValueError):
        row.faults.append(f"it ended with {done.returncode} and no row")
    else:
        return told
    return asdict(row)


def main() -> int:
    """Run those that are picked, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.fire", description=__doc__)
    parser.add_argument("-k", dest="words", nargs="+", default=[""], help="of a name")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each scenario")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    picked = [name for name in SCENARIOS if any(word in name for word in given.words)]
    print(f"test-fire: seed {given.seed}, {given.seconds:g} s each", flush=True)
    lines, failed = [], 0
    for name in picked:
        began = time.monotonic()
        row = run(name, given.seconds, given.seed)
        lines.append(write(row))
        failed += bool(row["faults"])
        verdict = "\n  ".join(["FAILED", *row["faults"][:20]]) if row["faults"] else "ok"
        print(f"{name} ({time.monotonic() - began:.0f} s): {verdict}", flush=True)
    print("\n" + "\n".join([f"| {' | '.join(HEAD)} |", *lines]))
    print(f"\ntest-fire: {len(picked) - failed} passed, {failed} failed; see {TABLE.name}")
    return 1 if failed or not picked else 0


if __name__ == "__main__":
    sys.exit(main())
