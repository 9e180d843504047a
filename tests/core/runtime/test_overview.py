"""What every agent does at this moment, as one structure of plain data."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from civitas import (
    AgentNow,
    AgentProcess,
    ConfigurationError,
    ConversationPool,
    HandlerFailed,
    Message,
    ModelResponse,
    Overview,
    Runtime,
    Supervisor,
)
from civitas.testing import MemoryNetwork, ScriptedModel
from tests.core.cluster.nodes import Nodes
from tests.core.support import eventually


class Worker(AgentProcess):
    """Holds on to a message, crashes, or answers."""

    async def handle(self, message: Message) -> Message | None:
        if message.payload == "hold":
            await asyncio.Event().wait()
        if message.payload == "crash":
            raise ValueError("too hot")
        if message.payload == "tell":
            await self.step("weigh", lambda: None)
            await self.ask("slow", "hold", timeout=None)
        return self.reply("done")


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    tree = Supervisor(
        "top",
        [
            Worker("slow", shutdown_timeout=0),
            Supervisor("crew", [Worker("quick", shutdown_timeout=0)], backoff_base=60),
            ConversationPool("talks", Worker("talks")),
        ],
    )
    async with Runtime(tree, drain_timeout=0) as runtime:
        yield runtime


def agent(overview: Overview, name: str) -> AgentNow:
    return next(each for each in overview["agents"] if each["name"] == name)


@pytest.mark.promise(id="SEM-1761")
async def test_it_says_what_an_agent_handles_and_since_when(runtime: Runtime) -> None:
    before = time.time()
    await runtime.send("slow", "hold", conversation="user-42")
    await runtime.send("slow", "next")
    await asyncio.sleep(0)
    slow = agent(await runtime.overview(), "slow")
    handling = slow["handling"]
    assert handling is not None
    assert handling["conversation"] == "user-42"
    assert handling["type"] == "message"
    assert before <= handling["since"] <= time.time()
    assert slow["started"] is not None
    assert slow["started"] <= handling["since"]
    assert slow["waiting"] == 1
    assert slow["oldest"] is not None
    assert (slow["parent"], slow["node"], slow["status"]) == ("top", "root", "running")


async def test_it_says_which_step_goes_on_and_for_whom_an_agent_waits(runtime: Runtime) -> None:
    await runtime.send("quick", "tell")

    async def asks() -> list[str]:
        handling = agent(await runtime.overview(), "quick")["handling"]
        return handling["asks"] if handling else []

    async with asyncio.timeout(5):
        while await asks() != ["slow"]:
            await asyncio.sleep(0)
    handling = agent(await runtime.overview(), "quick")["handling"]
    assert handling is not None
    assert handling["step"] == "weigh"


@pytest.mark.promise(id="SEM-1761")
async def test_it_says_when_a_crashed_agent_is_started_again_and_what_is_left(
    runtime: Runtime,
) -> None:
    assert agent(await runtime.overview(), "quick")["restarts_left"] == 3
    with pytest.raises(HandlerFailed):
        await runtime.ask("quick", "crash")
    await asyncio.sleep(0)
    quick = agent(await runtime.overview(), "quick")
    assert quick["status"] == "restarting"
    assert quick["due"] is not None
    assert quick["due"] > time.time() + 10
    assert (quick["restarts_left"], quick["failed"], quick["last_error"]) == (2, 1, "ValueError")


@pytest.mark.promise(id="SEM-1762")
async def test_with_a_version_it_tells_only_what_changed_since(runtime: Runtime) -> None:
    first = await runtime.overview()
    assert first["whole"]
    assert (await runtime.overview(since=first["version"]))["agents"] == []
    await runtime.ask("quick", 1)
    later = await runtime.overview(since=first["version"])
    assert not later["whole"]
    assert [each["name"] for each in later["agents"]] == ["quick"]
    unknown = await runtime.overview(since=1)
    assert unknown["whole"]
    assert len(unknown["agents"]) == len(first["agents"])


async def test_with_a_version_it_tells_who_is_gone(runtime: Runtime) -> None:
    await runtime.ask("talks", 1, conversation="a")
    first = await runtime.overview()
    assert agent(first, "talks/a")["parent"] == "talks"
    await runtime.terminate_child("talks", "talks/a")
    assert (await runtime.overview(since=first["version"]))["gone"] == ["talks/a"]


@pytest.mark.promise(id="SEM-1770")
async def test_it_says_what_is_left_of_a_budget_once_something_was_spent() -> None:
    class Caller(AgentProcess):
        async def handle(self, message: Message) -> Message:
            assert self.llm is not None
            await self.llm.chat("m", [])
            return self.reply(None)

    model = ScriptedModel([ModelResponse("a", "m")], repeat=True)
    tree = Supervisor("top", [Caller("a", budget={"calls": 3})])
    async with Runtime(tree, model_provider=model) as runtime:
        assert agent(await runtime.overview(), "a")["budget"] is None
        await runtime.ask("a", 1)
        assert agent(await runtime.overview(), "a")["budget"] == {"calls": 2}


async def test_it_can_be_had_of_a_part_of_the_tree(runtime: Runtime) -> None:
    part = await runtime.overview(under="crew")
    assert [each["name"] for each in part["agents"]] == ["crew", "quick"]
    with pytest.raises(ConfigurationError, match="'nobody'"):
        await runtime.overview(under="nobody")


@pytest.mark.promise(id="SEM-1761")
async def test_it_is_json_and_has_the_keys_that_its_types_name(runtime: Runtime) -> None:
    await runtime.send("slow", "hold")
    overview = json.loads(json.dumps(await runtime.overview()))
    assert set(overview) == set(Overview.__annotations__)
    for each in overview["agents"]:
        assert set(each) == set(AgentNow.__annotations__)
    (root,) = overview["nodes"]
    assert (root["name"], root["status"], root["agents"]) == ("root", "up", 2)


@pytest.mark.promise(id="SEM-1761")
async def test_the_agents_of_other_processes_are_in_it() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Worker}}) as nodes:
        first = await nodes.runtime.overview()
        await nodes.runtime.send("far", "hold")

        async def handles() -> bool:
            now = await nodes.runtime.overview(since=first["version"])
            return any(each["name"] == "far" and each["handling"] for each in now["agents"])

        async with asyncio.timeout(5):
            while not await handles():
                await asyncio.sleep(0)
        overview = await nodes.runtime.overview()
        assert agent(overview, "far")["node"] == "w"
        assert [each["name"] for each in overview["nodes"]] == ["root", "w"]
        assert set(overview["nodes"][0]) == set(overview["nodes"][1])
        await nodes.lose("w")
        await eventually(lambda: nodes.runtime.tree()["children"][0]["status"] != "running")
        far = agent(await nodes.runtime.overview(), "far")
        assert far["handling"] is None
