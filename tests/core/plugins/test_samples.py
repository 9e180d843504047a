"""Four sample plugins in one system: a state store, an agent type, a model provider and tools; and a broken fifth.

A carrier beside them carries a system of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civitas.demo.model_server import Answer, ModelServer, ToolCall
from tests.core.plugins.samples import ON_SERVERS, SAMPLES, run, run_own_tests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

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

COUNT = """
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

FAR = """
import os
from civitas import AgentProcess

class Far(AgentProcess):
    async def handle(self, message):
        return self.reply({"pid": os.getpid(), "size": len(message.payload)})
"""

CARRIED = """
import asyncio, os, signal
from civitas import Runtime

def system(transport, *names):
    agents = [
        {"name": name, "type": "far.Far", "process": name, "delivery": "at_least_once"} for name in names
    ]
    return {"transport": {"type": transport}, "supervision": {"children": [{"agent": each} for each in agents]}}

async def talk(kills, config, **keywords):
    async with Runtime.from_config(config, **keywords) as runtime:
        pids = [(await runtime.ask("here", bytes(3_000_000))).payload["pid"]]
        if kills:
            pids.append((await runtime.ask("there", b"hello")).payload["pid"])
            os.kill(pids[0], signal.SIGKILL)
            pids.append((await runtime.ask("here", b"again", timeout=60)).payload["pid"])
        assert os.getpid() not in pids
        print(len(set(pids)), type(runtime._node.transport).__name__)

asyncio.run(talk(True, system("streams", "here", "there")))
asyncio.run(talk(False, system("in_process", "here"), transport="streams"))
"""


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


@pytest.mark.promise(id="SEM-708")
def test_a_topology_uses_one_by_its_name(python, tmp_path):
    assert run(python, "-c", COUNT, cwd=tmp_path).stdout == "[1, 2, 3]\n"
    assert len(list((tmp_path / "state").glob("*.state"))) == 1


def test_each_is_listed_with_its_distribution_and_the_broken_one_with_its_error(python):
    listed = run(python, "-m", "civitas.cli", "plugins", COLUMNS="200").stdout.splitlines()
    lines = {line.split()[0]: line for line in listed}
    for name, source, brings in [
        ("folder", "civitas-folder 0.1.0", "state stores: folder"),
        ("assistant", "civitas-assistant 0.2.0", "agent types: assistant"),
        ("completions", "civitas-completions 0.3.0", "model providers: completions"),
        ("shop", "civitas-shop 0.4.0", "tool providers: multiply, price"),
        ("redis", "civitas-redis 0.1.0", "state stores: redis"),
        ("postgres", "civitas-postgres 0.1.0", "state stores: postgres"),
        ("streams", "civitas-streams 0.5.0", "transports: streams"),
        ("broken", "civitas-broken 0.9.0", "broken: civitas_broken.plugin cannot be loaded"),
    ]:
        assert source in lines[name]
        assert brings in lines[name]
    assert "no luck" in lines["broken"]
    assert listed[-1].endswith("broken and left out")


@pytest.mark.promise(id="SEM-1321")
def test_a_system_of_several_processes_is_carried_by_one(python, tmp_path):
    (tmp_path / "far.py").write_text(FAR)
    output = run(python, "-c", CARRIED, cwd=tmp_path).stdout
    assert output == "3 StreamTransport\n1 StreamTransport\n"


@pytest.mark.promise(id="SEM-709")
def test_each_passes_its_own_tests(python, tmp_path):
    samples = [each for each in SAMPLES if each.name.removeprefix("plugin-") not in ON_SERVERS]
    passed = run_own_tests(python, tmp_path, *samples)
    assert all(passed.values())
    assert passed["plugin-state-store"] > 30, "the whole suite of state stores"
    assert passed["plugin-transport"] > 20, "the whole suite of transports"
