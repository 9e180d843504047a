"""Four sample plugins in one system: a state store, an agent type, a model provider and tools; and a broken fifth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civitas.demo.model_server import Answer, ModelServer, ToolCall
from tests.core.plugins.samples import SAMPLES, environment, run, run_own_tests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NAMES = ["plugin-state-store", "plugin-agent-type", "plugin-model-provider", "plugin-tool-provider"]

TOPOLOGY = """
name: shop
state: {type: folder, path: state}
model: {type: completions, base_url: "${MODEL_URL}"}
tools:
  - {type: multiply}
  - {type: price, prices: {pen: 1.5, book: 12}}
supervision:
  children:
    - agent: {name: clerk, type: assistant, model: small, instructions: You keep a shop.}
"""

ASK = """
import asyncio, json, sys
from civitas import Runtime

async def ask(question):
    async with Runtime.from_config("topology.yaml") as runtime:
        reply = await runtime.ask("clerk", {"input": question}, conversation="user-1")
        print(json.dumps(reply.payload))

asyncio.run(ask(sys.argv[1]))
"""

BROKEN = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "civitas-broken"
version = "0.9.0"

[project.entry-points.civitas]
broken = "civitas_broken.plugin"
""",
    "civitas_broken/__init__.py": "",
    "civitas_broken/plugin.py": "raise RuntimeError('no luck')\n",
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the four samples and a plugin that cannot be loaded."""
    place = tmp_path_factory.mktemp("samples")
    broken = place / "broken"
    for name, text in BROKEN.items():
        file = broken / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return environment(place, *(SAMPLES / name for name in NAMES), broken)


def shopkeeper(body: dict[str, Any]) -> Answer:
    """What the model says: it looks up the price, multiplies, and tells the customer."""
    last = body["messages"][-1]
    if last["role"] != "tool":
        return ToolCall("price", {"article": "pen"})
    if last["content"] == "1.5":
        return ToolCall("multiply", {"a": 3, "b": 1.5})
    return f"That makes {last['content']}."


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(shopkeeper) as server:
        yield server


def ask(python: Path, folder: Path, model: ModelServer, question: str) -> tuple[Any, str]:
    """Ask the clerk of a system that is started for it and stopped again; the answer, and what was logged."""
    (folder / "topology.yaml").write_text(TOPOLOGY)
    done = run(python, "-c", ASK, question, cwd=folder, MODEL_URL=model.url)
    return json.loads(done.stdout), done.stderr


@pytest.mark.promise(id="SEM-709")
def test_an_agent_of_one_answers_with_the_model_and_the_tools_of_others(python, tmp_path, model):
    answer, _ = ask(python, tmp_path, model, "How much are three pens?")
    assert answer == {"output": "That makes 4.5."}
    offered = {tool["function"]["name"] for tool in model.requests[0]["tools"]}
    assert offered == {"multiply", "price"}


def test_what_it_was_told_is_in_the_store_of_another_and_outlives_the_process(
    python, tmp_path, model
):
    ask(python, tmp_path, model, "How much are three pens?")
    ask(python, tmp_path, model, "And again?")
    said = [message["content"] for message in model.requests[-1]["messages"]]
    assert said[:2] == ["You keep a shop.", "How much are three pens?"]
    assert said.index("That makes 4.5.") < said.index("And again?")
    assert list((tmp_path / "state").glob("*.state"))


@pytest.mark.promise(id="SEM-704")
def test_a_broken_one_beside_them_is_reported_once_and_takes_nothing_down(python, tmp_path, model):
    answer, logged = ask(python, tmp_path, model, "How much are three pens?")
    assert answer == {"output": "That makes 4.5."}
    (line,) = logged.splitlines()
    assert line.startswith("plugin 'broken' (from civitas-broken 0.9.0): ")
    assert line.endswith("RuntimeError: no luck; it is left out")


def test_each_is_listed_with_its_distribution_and_the_broken_one_with_its_error(python):
    listed = run(python, "-m", "civitas.cli", "plugins", COLUMNS="200").stdout.splitlines()
    lines = {line.split()[0]: line for line in listed}
    for name, source, brings in [
        ("folder", "civitas-folder 0.1.0", "state stores: folder"),
        ("assistant", "civitas-assistant 0.2.0", "agent types: assistant"),
        ("completions", "civitas-completions 0.3.0", "model providers: completions"),
        ("shop", "civitas-shop 0.4.0", "tool providers: multiply, price"),
        ("broken", "civitas-broken 0.9.0", "broken: civitas_broken.plugin cannot be loaded"),
    ]:
        assert source in lines[name]
        assert brings in lines[name]
    assert "no luck" in lines["broken"]
    assert listed[-1].endswith("broken and left out")


@pytest.mark.promise(id="SEM-709")
@pytest.mark.parametrize("name", NAMES[1:])
def test_a_sample_passes_its_own_tests(python, tmp_path, name):
    assert run_own_tests(python, SAMPLES / name, tmp_path) > 0
