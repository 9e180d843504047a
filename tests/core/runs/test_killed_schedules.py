"""Programs with schedules that are killed, and started again."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.core.runs import scheduled_program
from tests.deep import DEEP
from tests.house.project import ROOT


@pytest.mark.promise(id="SEM-1664")
@pytest.mark.timeout(600 if DEEP else 60)
def test_each_time_is_handled_once_whichever_write_its_program_is_killed_at(
    tmp_path: Path,
) -> None:
    # The first of them notes that it begins; then each time makes three: accepted, noted, ended.
    quick = [[(2, "after"), (3, "before"), (3, "after")]]
    # A system makes up for the newest 1,000 times, so each file is killed a few times only.
    whole = [list(itertools.product((at, at + 1), ("before", "after"))) for at in range(1, 60, 2)]
    gaps: set[float] = set()
    for number, moments in enumerate(whole if DEEP else quick):
        gaps |= between_times(tmp_path / f"state-{number}.db", moments)
    assert gaps == {scheduled_program.EVERY}


def between_times(file: Path, moments: list[tuple[int, str]]) -> set[float]:
    """Seconds between the times that a program handles which is killed at each of the moments, and started again."""
    told: list[str] = []
    for at, when in moments:
        done = subprocess.run(
            [sys.executable, scheduled_program.__file__, file, str(at), when],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        told += done.stdout.splitlines()
    handled = [line.split() for line in told]
    assert all(missed == "0" for _, missed, _ in handled)
    # What was in hand at a kill comes once more, and says so; nothing else does.
    first = Counter(due for due, _, attempt in handled if attempt == "0")
    assert set(first.values()) <= {1}
    dues = sorted(map(float, first))
    return {round(b - a, 3) for a, b in itertools.pairwise(dues)}
