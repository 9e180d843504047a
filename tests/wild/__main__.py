"""Runs every public agent through its columns, two at a time, and writes the table: `make test-wild`.

ARGS="-k word ..." picks those whose name has one of the words; the rows of the others stay as they are.
Exits 1 where a cell is not as its case says: not right, or right although it is told as a gap.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.wild.case import Case
from tests.wild.cases import CASES
from tests.wild.table import TABLE, faults, write

ROOT = Path(__file__).parents[2]
# Crews run in environment B, as CrewAI cannot be installed beside the newest of the others.
PYTHON = {"CrewAI": ROOT / ".venv-crew/bin/python"}
SECONDS = 900


async def run(case: Case, free: asyncio.Semaphore) -> bool:
    """Run one agent in a process of its own, write its row, and return whether it came out right."""
    async with free:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            PYTHON.get(case.framework, sys.executable),
            *("-W", "ignore", "-m", "tests.wild.harness", case.name),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, errors = await asyncio.wait_for(process.communicate(), SECONDS)
            row: dict[str, Any] = json.loads(said.splitlines()[-1])
        except (TimeoutError, IndexError, ValueError):
            if process.returncode is None:
                process.kill()
                errors = f"it took more than {SECONDS} s".encode()
                await process.wait()
            row = {"versions": "", "cells": {"ask": errors.decode()[-2000:]}}
        wrong = faults(case, row["cells"])
        verdict = "ok" if not wrong else "\n  ".join(["FAILED", *wrong])
        print(f"{case.name} ({time.monotonic() - began:.0f} s): {verdict}", flush=True)
        write(case, row)
        return not wrong


async def main() -> int:
    """Run those that are picked, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.wild", description=__doc__)
    parser.add_argument("-k", dest="words", nargs="+", default=[""], help="of a name")
    parser.add_argument("-j", dest="jobs", type=int, default=2, help="how many at a time")
    picked = parser.parse_args()
    cases = [each for each in CASES if any(word in each.name for word in picked.words)]
    free = asyncio.Semaphore(picked.jobs)
    passed = sum(await asyncio.gather(*(run(each, free) for each in cases)))
    failed = len(cases) - passed
    print(f"\ntest-wild: {passed} passed, {failed} failed; see {TABLE.relative_to(ROOT)}")
    return 1 if failed or not cases else 0


sys.exit(asyncio.run(main()))
