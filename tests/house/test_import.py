"""What is imported is what is used: `import civitas`, the help of the command line and a worker load nothing else."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, exported, nodes, public_modules, sources

HEAVY = [
    *("agents", "aiosqlite", "crewai", "langchain_core", "langgraph", "nats", "openai"),
    "pydantic_ai",
    *("opentelemetry.sdk", "pydantic", "rich", "typer", "yaml", "zmq"),
]
CORE = sources("civitas-core")
ON_DEMAND = [
    module
    for module in public_modules()
    if any(isinstance(node, ast.Name) and node.id == "when_used" for node in nodes(module))
]


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    command = [
        sys.executable,
        "-I",
        "-c",
        f"{code}\nimport sys, json; print(json.dumps([*sys.modules]))",
    ]
    # Not measured by coverage: that is an import of its own.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=bare)
    return set(json.loads(run.stdout.splitlines()[-1]))


def rooms(modules: set[str]) -> set[str]:
    """The rooms of the core among them."""
    return {name.split(".")[1] for name in modules if name.startswith("civitas.")}


def test_import_civitas_loads_none_of_its_rooms_and_not_even_asyncio():
    loaded = loaded_by("import civitas")
    assert rooms(loaded) == {"when_used"}
    assert "asyncio" not in loaded


def test_the_errors_can_be_caught_without_the_runtime_being_loaded():
    assert rooms(loaded_by("from civitas import AskTimeout")) == {"when_used", "errors"}


def test_a_runtime_is_loaded_without_the_frameworks_and_the_brokers():
    loaded = loaded_by("from civitas import AgentProcess, Runtime, SQLiteStateStore, Supervisor")
    assert {"brokers", "cli", "topology"} & rooms(loaded) == set()
    assert {"civitas.frameworks.base", "civitas.state.nats_kv", "tempfile"} & loaded == set()


def test_the_help_is_printed_without_the_runtime_being_loaded():
    loaded = loaded_by("from civitas.cli import main; main(['--help'])")
    allowed = {"cli", "errors", "events", "frameworks", "runs", "telemetry", "when_used"}
    assert rooms(loaded) - allowed == set()
    assert {"asyncio", "msgpack", "pydantic", "yaml", "opentelemetry"} & loaded == set()


@pytest.mark.parametrize("package", [each for each in PACKAGES if each != "civitas-core"])
def test_importing_an_adapter_loads_no_framework_and_nothing_heavy(package):
    # From its folder: the CrewAI adapter is not installed here, and its import needs no CrewAI.
    folder, module = str(sources(package).parent), PACKAGES[package]
    loaded = loaded_by(f"import sys; sys.path.insert(0, {folder!r}); import {module}")
    assert [name for name in HEAVY if name in loaded] == []


def test_all_that_the_core_offers_loads_no_framework_and_nothing_heavy():
    loaded = loaded_by("from civitas import *; from civitas.frameworks import *")
    assert [name for name in HEAVY if name in loaded] == []


def test_finding_the_plugins_loads_no_framework():
    loaded = loaded_by("import civitas.plugins as p; p.PluginManager().found()")
    frameworks = {"agents", "crewai", "langchain_core", "langgraph", "openai", "pydantic_ai"}
    assert frameworks & loaded == set()


def test_a_worker_starts_without_what_only_reads_and_checks_a_topology_or_only_some_systems_use():
    carriers = "from civitas.transport import nats; nats.NatsCarrier; import civitas.transport.zmq.transport"
    loaded = loaded_by(f"import civitas.worker; {carriers}")
    assert {
        "pydantic",
        "yaml",
        "zmq.asyncio",
        "zmq.auth",
        "civitas.state.nats_kv",
        "civitas.frameworks.base",
        "civitas.runs",
        "civitas.cluster.durable.durable",
        "civitas.transport.nats.transport",
        "civitas.transport.nats.mailboxes",
    } & loaded == set()


# What type checkers read and what happens when a name is used stand in one file, and must say the same.


def promised(module: Path) -> dict[str, str]:
    """Where each name comes from, as type checkers read it."""
    return {
        alias.name: node.module or ""
        for block in nodes(module)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def found(module: Path) -> dict[str, str]:
    """Where each name comes from when it is used."""
    (call,) = (
        node
        for node in nodes(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "when_used"
    )
    return {name: home for home, names in ast.literal_eval(call.args[1]).items() for name in names}


@pytest.mark.parametrize("module", ON_DEMAND, ids=lambda module: module.parent.name)
def test_a_name_that_is_imported_when_used_comes_from_where_type_checkers_see_it(module):
    assert found(module) == promised(module)
    assert sorted(found(module)) == sorted(exported(module) or [])


@pytest.mark.parametrize("module", ON_DEMAND, ids=lambda module: module.parent.name)
def test_a_name_that_is_imported_when_used_is_not_that_of_a_module_beside_it(module):
    beside = {each.stem for each in module.parent.iterdir() if each.suffix in ("", ".py")}
    assert beside & set(found(module)) == set()
