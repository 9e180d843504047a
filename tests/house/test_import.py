"""`import civitas` is quick, and loads nothing that is not needed yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.house.project import PACKAGES, sources

# Milliseconds of processor time on a machine that is busy with other tests. One run that keeps it is enough.
LIMIT = 300
TRIES = 50
HEAVY = [
    *("agents", "aiosqlite", "crewai", "langchain_core", "langgraph", "nats", "openai"),
    "pydantic_ai",
    *("opentelemetry.sdk", "pydantic", "rich", "typer", "yaml", "zmq"),
]


def run_alone(code: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-I", "-c", code]
    # Not measured by coverage: that is an import of its own.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=bare).stdout


def test_import_civitas_is_quick():
    code = "import time; t = time.process_time(); import civitas; print(time.process_time() - t)"
    assert any(float(run_alone(code)) * 1000 < LIMIT for _ in range(TRIES))


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_no_framework_and_nothing_heavy(package):
    # From its folder: the CrewAI adapter is not installed here, and its import needs no CrewAI.
    folder, module = str(sources(package).parent), PACKAGES[package]
    loaded = json.loads(
        run_alone(
            f"import sys, json; sys.path.insert(0, {folder!r}); import {module};"
            "print(json.dumps(sorted(sys.modules)))"
        )
    )
    assert [name for name in HEAVY if name in loaded] == []


def test_finding_the_plugins_loads_no_framework():
    code = (
        "import sys, json, civitas.plugins as p; p.PluginManager().found();"
        "print(json.dumps(sorted(sys.modules)))"
    )
    frameworks = {"agents", "crewai", "langchain_core", "langgraph", "openai", "pydantic_ai"}
    assert frameworks & set(json.loads(run_alone(code))) == set()


def test_a_worker_starts_without_what_only_reads_and_checks_a_topology():
    code = "import sys, json, civitas.worker; print(json.dumps(sorted(sys.modules)))"
    assert {"pydantic", "yaml"} & set(json.loads(run_alone(code))) == set()
