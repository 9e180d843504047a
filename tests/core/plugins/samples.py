"""Builds sample plugins and installs them into an environment of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from tests.house.project import ROOT

__all__ = ["ON_SERVERS", "SAMPLES", "environment", "run", "run_own_tests"]

SAMPLES = sorted((ROOT / "examples").glob("plugin-*"))
ON_SERVERS = ("redis", "postgres")
"""The samples whose tests need a server."""
UV = ROOT / "scripts" / "uv.sh"

RUN_TESTS = """
import sys, pytest
options = ["-q", "-rs", "-p", "no:cacheprovider"]
codes = [
    pytest.main([*options, "-c", f"{sample}/pyproject.toml", f"{sample}/tests"])
    for sample in sys.argv[1:]
]
sys.exit(max(codes))
"""


def run(
    *command: str | Path, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that is to succeed, away from this environment."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clean.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done


def environment(place: Path, *samples: Path) -> Path:
    """The interpreter of an environment below `place` that has `samples`, beside everything that this one has."""
    venv.create(place / "venv", symlinks=True, with_pip=False)
    (own,) = place.glob("venv/lib/python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (own / "beside.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    )
    python = place / "venv" / "bin" / "python"
    # Built anew: uv takes what it built before where `pyproject.toml` is the same.
    run(
        UV, "pip", "install", "--quiet", "--offline", "--no-cache", "--no-deps",
        "--no-build-isolation", "--python", python, *samples,
    )  # fmt: skip
    return python


def run_own_tests(python: Path, cwd: Path, *samples: Path, **variables: str) -> dict[str, int]:
    """Run the tests that samples ship, one after another in one interpreter; returns how many of each passed.

    None may fail, and none be skipped but for a capability that a suite leaves open.
    """
    output = run(python, "-c", RUN_TESTS, *samples, cwd=cwd, **variables).stdout
    assert " failed" not in output
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    assert [line for line in skipped if ": optional: " not in line] == []
    passed = map(int, re.findall(r"^(\d+) passed", output, re.MULTILINE))
    return dict(zip((sample.name for sample in samples), passed, strict=True))
