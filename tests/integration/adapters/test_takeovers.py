"""`civitas run --takeover`, three times in succession, while graphs and SDK agents are under way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.control import ControlClient, state_folder
from civitas.demo.model_server import ModelServer, ToolCall
from tests.core.cli.conftest import start
from tests.core.cli.support import Running

__all__ = ["start"]

# Four programs that import LangGraph and the SDK.
pytestmark = [pytest.mark.deep, pytest.mark.timeout(300)]

TEAM = """
import asyncio
import operator
import os
from pathlib import Path
from typing import Annotated, TypedDict

from agents import Agent, OpenAIChatCompletionsModel, function_tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from openai import AsyncOpenAI

LEDGER, ENOUGH = (Path(__file__).with_name(name) for name in ("ledger", "enough"))


async def enter(who, n):
    with LEDGER.open("a") as ledger:
        ledger.write(f"{who} {n} {os.getpid()}\\n")
    await asyncio.sleep(0.3)
    return os.getpid()


class Walk(TypedDict, total=False):
    who: str
    pids: Annotated[list[int], operator.add]


async def step(walk: Walk) -> Walk:
    return {"pids": [await enter(walk["who"], len(walk.get("pids", [])))]}


def walker():
    builder = StateGraph(Walk)
    builder.add_node(step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", lambda _: END if ENOUGH.exists() else "step")
    return builder.compile()


class Case(TypedDict, total=False):
    who: str
    said: str


async def draft(case: Case) -> Case:
    await enter(case["who"], "draft")
    return {}


async def decide(case: Case) -> Case:
    said = interrupt(f"may {case['who']}?")
    await enter(case["who"], "decided")
    return {"said": said}


def desk():
    builder = StateGraph(Case)
    builder.add_sequence([draft, decide])
    builder.add_edge(START, "draft")
    return builder.compile()


@function_tool
async def look(who: str, n: int) -> str:
    return str(await enter(who, n))


def clerk():
    client = AsyncOpenAI(base_url=os.environ["MODELS"], api_key="x", max_retries=0)
    model = OpenAIChatCompletionsModel(model="m", openai_client=client)
    return Agent(name="clerk", model=model, tools=[look])
"""

TOPOLOGY = """
name: adapted
state: {type: sqlite, path: state.db}
supervision:
  children:
    - agent: {name: walker, wrap: "team:walker", durable: true, per_conversation: true,
        config: {recursion_limit: 1000}}
    - agent: {name: desk, wrap: "team:desk", durable: true, per_conversation: true}
    - agent: {name: clerk, wrap: "team:clerk", durable: true, per_conversation: true, max_turns: null}
"""
EACH = 10


def programs_of(ledger: Path) -> list[set[str]]:
    """The programs that each walker and clerk has done something in."""
    by: dict[str, set[str]] = {}
    for line in ledger.read_text().splitlines() if ledger.exists() else []:
        who, _, pid = line.split()
        by.setdefault(who, set()).add(pid)
    return [pids for who, pids in by.items() if not who.startswith("d")]


async def until_walked(ledger: Path, programs: int) -> None:
    """Wait until each of them has done something in so many programs."""
    while [len(pids) for pids in programs_of(ledger)] != [programs] * 2 * EACH:
        await asyncio.sleep(0.05)


@pytest.mark.promise(id="SEM-1829")
@pytest.mark.promise(id="SEM-1838")
async def test_graphs_agents_and_questions_to_a_human_outlive_three_new_versions(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[..., Awaitable[Running]],
) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text(TOPOLOGY)
    (tmp_path / "team.py").write_text(TEAM)
    ledger, enough = tmp_path / "ledger", tmp_path / "enough"

    def answer(body: dict[str, Any]) -> ToolCall | str:
        found = [each["content"] for each in body["messages"] if each["role"] == "tool"]
        if enough.exists():
            return " ".join(found)
        who = next(each["content"] for each in body["messages"] if each["role"] == "user")
        return ToolCall("look", {"who": who, "n": len(found)})

    async def ask(to: str, payload: object, talk: str, kind: str = "message") -> Any:
        async with ControlClient("adapted", state_folder("adapted", topology)) as client:
            return await client.request(
                "ask", to=to, payload=payload, type=kind, conversation=talk, timeout=150
            )

    with ModelServer(answer) as models:
        monkeypatch.setenv("MODELS", models.url)
        running = await start("run", topology)
        await running.until("ready ")
        for who in ("d0", "d1"):
            asked = await ask("desk", {"who": who}, who)
            assert asked["type"] == "interrupt"
            assert asked["payload"]["interrupts"][0]["value"] == f"may {who}?"
        walks = [asyncio.create_task(ask("walker", {"who": f"w{n}"}, f"w{n}")) for n in range(EACH)]
        clerks = [
            asyncio.create_task(ask("clerk", {"input": f"c{n}"}, f"c{n}")) for n in range(EACH)
        ]
        await until_walked(ledger, 1)
        pids, olds = [running.process.pid], []
        during: asyncio.Task[Any] | None = None
        for version in (2, 3, 4):
            olds.append(running)
            new = await start("run", topology, "--takeover")
            await running.until("passing ")
            during = during or asyncio.create_task(ask("desk", {"value": "yes"}, "d1", "resume"))
            await new.until("ready ")
            running = new
            pids.append(running.process.pid)
            await until_walked(ledger, version)
        assert during is not None
        assert (await during)["payload"] == {"who": "d1", "said": "yes"}
        behind = await ask("desk", {"value": "no"}, "d0", "resume")
        assert behind["payload"] == {"who": "d0", "said": "no"}
        enough.touch()
        for n, walk in enumerate(await asyncio.gather(*walks)):
            done = [line.split() for line in ledger.read_text().splitlines()]
            mine = [(step, int(pid)) for who, step, pid in done if who == f"w{n}"]
            assert walk["payload"] == {"who": f"w{n}", "pids": [pid for _, pid in mine]}
            assert list(dict.fromkeys(pid for _, pid in mine)) == pids
        for n, clerk in enumerate(await asyncio.gather(*clerks)):
            done = [line.split() for line in ledger.read_text().splitlines()]
            found = " ".join(pid for who, _, pid in done if who == f"c{n}")
            assert clerk["payload"] == {"output": found}
    entries = ledger.read_text().splitlines()
    assert set(Counter(line.rpartition(" ")[0] for line in entries).values()) == {1}
    assert [(await old.end()).code for old in olds] == [0, 0, 0]
