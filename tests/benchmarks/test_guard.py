"""The guard that fails when something became dearer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.guard.recorded import Recorded, forgotten, pythons, read, worse, write

ROOT = Path(__file__).parents[2]


def test_only_what_is_worse_by_more_than_its_noise_is_told(tmp_path: Path) -> None:
    write({"calls": Recorded(100.0, 0.01), "time": Recorded(2.0, 0.1)}, tmp_path / "recorded.json")
    recorded = read(tmp_path / "recorded.json")
    assert worse({"calls": 101.0, "time": 2.19}, recorded) == {}
    assert worse({"calls": 50.0, "time": 1.0}, recorded) == {}
    assert list(worse({"calls": 101.1, "time": 2.21}, recorded)) == ["calls", "time"]


def test_a_figure_that_nobody_recorded_is_told(tmp_path: Path) -> None:
    assert "no figure is recorded" in worse({"new": 1.0}, read(tmp_path / "none.json"))["new"]


def test_a_figure_that_nothing_measures_any_more_is_told() -> None:
    recorded = dict.fromkeys(("calls", "time"), Recorded(1.0, 0.1))
    assert list(forgotten(["calls", "new"], recorded)) == ["time"]


def test_the_versions_of_python_that_are_recorded_are_known(tmp_path: Path) -> None:
    (tmp_path / "recorded.json").write_text('{"2.7": {}}')
    this = ".".join(map(str, sys.version_info[:2]))
    assert pythons(tmp_path / "recorded.json") == (this, ["2.7"])


@pytest.mark.deep
def test_nothing_became_dearer_than_recorded() -> None:
    # Times are for `make bench-check`: beside other tests they say nothing.
    command = [sys.executable, "-m", "benchmarks.guard", "--counts"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
