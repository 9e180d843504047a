"""`civitas tree` and `civitas inspect`: what the agents of a running system do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

AGENT = """
import datetime

class Agent(AgentProcess):
    async def handle(self, message):
        if message.type == "crash":
            raise ValueError("too hot")
        self.state["since"] = datetime.datetime(2026, 1, 2)
        print("holding", flush=True)
        await asyncio.Event().wait()
"""


@pytest.mark.promise(id="SEM-1766")
async def test_tree_and_inspect_say_what_an_agent_does(
    start: Callable[..., Awaitable[Running]],
    beside: Callable[..., Awaitable[Result]],
    project: Callable[..., Path],
) -> None:
    topology = project(
        AGENT, "name: hot, type: team.Agent, shutdown_timeout: 0", top="runtime: {drain_timeout: 0}"
    )
    run = await start("run", topology)
    await run.until("ready")
    await beside("send", topology, "hot", "1", "--type", "crash")
    await run.until("restarted")
    idle = await beside("inspect", topology, "hot", "--stack")
    assert "handles nothing at this moment" in idle.out
    await beside("send", topology, "hot", "1")
    await run.until("holding")
    tree = await beside("tree", topology)
    assert (tree.code, tree.err) == (0, "")
    assert "└── hot  agent  running, handles message for" in tree.out
    assert "1 restart" in tree.out
    found = await beside("inspect", topology, "hot")
    assert found.code == 0
    assert "await asyncio.Event().wait()" in found.out
    assert "ValueError: too hot" in found.out
    stack = await beside("inspect", topology, "hot", "--stack")
    assert "in Agent.handle" in stack.out
    assert "errors" not in stack.out
    plain = json.loads((await beside("inspect", topology, "hot", "--json")).out)
    assert plain["handling"]["type"] == "message"
    assert plain["state"] == {"since": "2026-01-02T00:00:00"}
    assert plain["errors"][0]["error"] == "ValueError: too hot"
    nobody = await beside("inspect", topology, "nobody")
    assert (nobody.code, nobody.out) == (1, "")
    assert "'nobody'" in nobody.err


@pytest.mark.promise(id="SEM-1769")
async def test_an_agent_that_blocks_another_process_is_looked_into(
    start: Callable[..., Awaitable[Running]],
    beside: Callable[..., Awaitable[Result]],
    project: Callable[..., Path],
) -> None:
    topology = project(
        """
        class Agent(AgentProcess):
            async def handle(self, message):
                self.state["heavy"] = 2
                print("weighing", flush=True)
                time.sleep(3600)
        """,
        "name: far, type: team.Agent, process: w",
    )
    run = await start("run", topology)
    await run.until("ready")
    await beside("send", topology, "far", "1")
    found = json.loads((await beside("inspect", topology, "far", "--json")).out)
    assert found["blocked"]["by"] == "far"
    assert found["blocked"]["node"] == found["node"] == "w"
    assert (found["parent"], found["state"]) == ("root", {"heavy": 2})
    assert "time.sleep(3600)" in [each["code"] for each in found["stack"]]
    profile = await beside("inspect", topology, "far", "--profile", "0.1s")
    assert "100 %  Agent.handle" in profile.out
    assert "ran on the event loop" in profile.out
