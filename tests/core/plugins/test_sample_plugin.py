"""The sample plugin, built, installed into an environment of its own, and found there by its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "examples" / "plugin-state-store"
UV = ROOT / "scripts" / "uv.sh"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

USE = """
import asyncio
from civitas import AgentProcess, Runtime

class Counter(AgentProcess):
    async def handle(self, message):
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state)

TOPOLOGY = {
    "state": {"type": "folder", "path": "state"},
    "supervision": {"name": "root", "children": [{"agent": {"name": "counter", "type": "Counter"}}]},
}

async def ask():
    async with Runtime.from_config(TOPOLOGY, {"Counter": Counter}) as runtime:
        return (await runtime.ask("counter", {})).payload["n"]

print([asyncio.run(ask()) for _ in range(3)])
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clean.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the sample plugin, beside everything that this one has."""
    place = tmp_path_factory.mktemp("sample")
    venv, dist = place / "venv", place / "dist"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    run(
        UV, "build", "--quiet", "--wheel", "--offline", "--no-build-isolation",
        "--python", sys.executable, "--out-dir", dist, SAMPLE,
    )  # fmt: skip
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        python,
        *dist.glob("*.whl"),
    )
    (own,) = venv.glob("lib/python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (own / "beside.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    )
    return python


def test_it_is_found_by_its_entry_point(python):
    listed = run(python, "-m", "civitas.cli", "plugins")
    (line,) = [line for line in listed.splitlines() if line.startswith("folder")]
    assert "civitas-folder 0.1.0" in line
    assert line.rstrip().endswith("state stores: folder")


def test_a_topology_uses_it_by_its_name(python, tmp_path):
    assert run(python, "-c", USE, cwd=tmp_path) == "[1, 2, 3]\n"
    assert len(list((tmp_path / "state").glob("*.state"))) == 1


def test_it_passes_the_suite_by_its_own_tests(python, tmp_path):
    output = run(
        python,
        "-m",
        "pytest",
        "-q",
        "-c",
        SAMPLE / "pyproject.toml",
        SAMPLE / "tests",
        cwd=tmp_path,
    )
    assert " failed" not in output
    assert " skipped" not in output
    assert int(output.splitlines()[-1].split()[0]) > 30
