"""Builds sample plugins and installs them into an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.house.project import ROOT

__all__ = ["SAMPLES", "environment", "run", "run_own_tests"]

SAMPLES = ROOT / "examples"
UV = ROOT / "scripts" / "uv.sh"


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
    venv, dist = place / "venv", place / "dist"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    for sample in samples:
        run(
            UV, "build", "--quiet", "--wheel", "--offline", "--no-build-isolation",
            "--python", sys.executable, "--out-dir", dist, sample,
        )  # fmt: skip
    run(
        UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python,
        *dist.glob("*.whl"),
    )  # fmt: skip
    (own,) = venv.glob("lib/python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (own / "beside.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    )
    return python


def run_own_tests(python: Path, sample: Path, cwd: Path) -> int:
    """Run the tests that a sample ships; returns how many passed, none failed and none skipped."""
    output = run(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-c", sample / "pyproject.toml", sample / "tests", cwd=cwd,
    ).stdout  # fmt: skip
    assert " failed" not in output
    assert " skipped" not in output
    return int(output.splitlines()[-1].split()[0])
