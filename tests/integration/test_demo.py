"""`civitas demo`, as a viewer runs it."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from civitas.demo import main, requirements
from civitas.demo.model_server import Failure, ModelServer
from civitas.demo.script import answer
from tests.house.project import ROOT

CREW = ROOT / ".venv-crew"

together = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("langgraph", "agents", "crewai")),
    reason="the three frameworks stand together in environment B only",
)

apart = pytest.mark.skipif(
    importlib.util.find_spec("agents") is None
    or importlib.util.find_spec("crewai") is not None
    or not CREW.is_dir(),
    reason="environment A, with environment B beside it",
)


def run_demo(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OPENAI_", "CREWAI_", "OTEL_", "XDG_", "CIVITAS_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "civitas.demo"],
        cwd=folder,
        env={**kept, "HOME": str(folder), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=90,
        check=False,
    )


@pytest.mark.promise(id="SEM-816")
@together
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_one_crashes_and_the_answer_still_comes(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "a scripted one on 127.0.0.1" in shown
    assert "one environment for all three frameworks" in shown
    assert re.search(r"✖ researcher +UserError: .*the archive's client ran out", shown)
    assert re.search(r"↻ researcher +started again after \d+ ms", shown)
    assert "An error cost one call, never the" in shown
    assert re.search(r"researcher +OpenAI agent with a tool +running, 1 restart", shown)
    assert re.search(r"writer +CrewAI crew +running, process crew \(pid \d+\)", shown)
    for name in ("invoke_workflow planner", "invoke_agent researcher", "invoke_workflow writer"):
        assert name in shown
    assert shown.count("\ntrace ") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise(id="SEM-816")
@apart
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_frameworks_that_cannot_be_installed_together_work_together(tmp_path):
    done = run_demo(tmp_path, CIVITAS_DEMO_CREW=str(CREW))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert "two environments: CrewAI cannot be installed beside the newest openai-agents" in shown
    assert re.search(r"writer +CrewAI crew +crewai \d\S+, imported by its own process", shown)
    assert re.search(r"writer +CrewAI crew +running, process crew \(pid \d+\)", shown)
    assert re.search(r"↻ researcher +started again after \d+ ms", shown)
    assert "An error cost one call, never the" in shown
    for name in ("invoke_workflow planner", "invoke_agent researcher", "invoke_workflow writer"):
        assert name in shown
    assert shown.count("\ntrace ") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@together
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_real_model_is_used_where_one_is_set(tmp_path):
    with ModelServer(answer) as server:
        done = run_demo(tmp_path, OPENAI_BASE_URL=server.url, OPENAI_MODEL="mine")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(rf"model +mine at {re.escape(server.url)}", done.stdout)
        assert {body["model"] for body in server.requests} == {"mine"}


@together
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_model_that_refuses_ends_it_with_one_clear_line(tmp_path):
    with ModelServer(lambda body: Failure(401, "no such key")) as server:
        done = run_demo(tmp_path, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="sk-wrong")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("there was no answer: planner failed: ")
    assert "no such key" in line


def test_without_a_package_it_says_which_and_how_to_get_it(monkeypatch):
    monkeypatch.setattr(
        requirements, "version_of", lambda name, there=False: None if "crewai" in name else "1.0"
    )
    shown = io.StringIO()
    assert main(console=Console(file=shown, width=80)) == 1
    (line,) = shown.getvalue().splitlines()
    assert "pip install civitas-crewai " in line
