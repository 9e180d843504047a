"""`civitas run --takeover`: a new version goes on with the runs under way, and askers notice nothing."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from civitas.control import ControlClient, state_folder
from civitas.control.client import RemoteError
from tests.core.cli.support import Result, Running
from tests.deep import further

pytestmark = pytest.mark.timeout(120)  # programs are started one after another

TEAM = """
from __future__ import annotations

import asyncio
import os
from pathlib import Path

from civitas import AgentProcess

CALLS, ENOUGH = (Path(__file__).with_name(name) for name in ("calls", "enough"))


class Walker(AgentProcess):
    async def handle(self, message):
        pids = []
        goes_on = True
        while goes_on:
            n = len(pids)
            pid, goes_on = await self.step(f"step {n}", self.walk, message.payload, n)
            pids.append(pid)
        return self.reply(sorted(set(pids)))

    async def walk(self, who, n):
        with CALLS.open("a") as calls:
            calls.write(f"{who} {n} {os.getpid()}\\n")
        await asyncio.sleep(0.05)
        return [os.getpid(), not ENOUGH.exists()]


class Runner(Walker):
    pass


class Plain(AgentProcess):
    async def handle(self, message):
        await asyncio.sleep(message.payload)
        return self.reply(os.getpid())
"""

TOPOLOGY = """
name: walkers
state: {type: sqlite, path: state.db}
edge: {http: {port: 0}}
supervision:
  children:
    - conversation_pool: {name: walker, type: team.Walker, delivery: durable}
    - agent: {name: runner, type: team.Runner, delivery: durable}
    - agent: {name: plain, type: team.Plain}
"""
HEAD = "supervision:\n  children:\n"
LEFT_OUT = HEAD + "    - agent: {name: left_out, type: team.Runner, delivery: durable}\n"
WALKER = {"team.Walker,": "team.Walker, process: w,"}
PLAIN = {"team.Plain}": "team.Plain, process: p}"}

STATE = "state: {type: sqlite, path: state.db}"


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    return tmp_path / "topology.yaml"


def change(topology: Path, changes: dict[str, str]) -> None:
    text = topology.read_text()
    for before, behind in changes.items():
        text = text.replace(before, behind)
    topology.write_text(text)


async def ask(topology: Path, to: str, payload: object, conversation: str | None = None) -> Any:
    async with ControlClient("walkers", state_folder("walkers", topology)) as client:
        reply = await client.request(
            "ask", to=to, payload=payload, conversation=conversation, timeout=40
        )
        return reply["payload"]


def url_of(running: Running) -> str:
    """Where its edge is, once it is ready."""
    (line,) = (each for each in running.lines if re.search(r"\d edge  ", each))
    return line.split()[-1]


async def post(edge: str, to: str, payload: object, client: httpx.AsyncClient) -> Any:
    url = f"{edge}/agents/{to}/ask"
    answer = await client.post(url, json={"payload": payload, "timeout": 40})
    assert answer.status_code == 200, answer.text
    return answer.json()["payload"]


async def post_alone(edge: str, to: str, payload: object) -> Any:
    async with httpx.AsyncClient(timeout=40) as client:
        return await post(edge, to, payload, client)


async def until_walked(topology: Path, by_all: Callable[[set[str], set[str]], bool]) -> None:
    """Wait for what the walkers and the processes are that have walked."""
    calls = topology.with_name("calls")
    while True:
        walked = [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []
        if by_all({who for who, _, _ in walked}, {pid for _, _, pid in walked}):
            return
        await asyncio.sleep(0.01)


@pytest.mark.promise(id="SEM-1726")
@pytest.mark.promise(id="SEM-1754")
@pytest.mark.promise(id="SEM-1807")
@pytest.mark.promise(id="SEM-1829")
@pytest.mark.promise(id="SEM-1835")
@pytest.mark.parametrize("placed", [WALKER, *further({}, WALKER | PLAIN)])
async def test_a_new_version_goes_on_with_the_runs_under_way_and_no_asker_notices(
    topology: Path, start: Callable[..., Awaitable[Running]], placed: dict[str, str]
) -> None:
    change(topology, placed)
    change(topology, {HEAD: LEFT_OUT})
    first = await start("run", topology)
    await first.until("ready ")
    edge = url_of(first)
    old = await ask(topology, "plain", 0)
    asks = [asyncio.create_task(ask(topology, "walker", f"w{n}", f"c{n}")) for n in range(5)]
    asks.append(asyncio.create_task(post_alone(edge, "walker", "http")))
    here = asyncio.create_task(ask(topology, "runner", "here"))
    left = asyncio.create_task(ask(topology, "left_out", "left"))
    await until_walked(topology, lambda who, _: len(who) == 8)
    change(topology, {LEFT_OUT: HEAD})
    plain = asyncio.create_task(ask(topology, "plain", 0.5))
    second = await start("run", topology, "--takeover")
    ready = asyncio.create_task(second.until("ready "))
    served = [old]
    async with httpx.AsyncClient(timeout=40) as client:  # a connection that is kept open
        while not ready.done():
            served.append(await post(edge, "plain", 0, client))
    await ready
    with pytest.raises(RemoteError, match="no agent is named 'left_out'"):
        await asyncio.wait_for(left, 10)
    assert url_of(second) == edge
    assert len({*served, new := await ask(topology, "plain", 0)}) == 2
    assert await plain in (old, new)
    await until_walked(topology, lambda _, by: len(by) == (4 if placed else 2))
    topology.with_name("enough").touch()
    answers = await asyncio.gather(*asks)
    assert len(answers[0]) == 2
    assert answers == [answers[0]] * 6
    assert await here == sorted([first.process.pid, second.process.pid])
    assert bool(placed) == (await here != answers[0])
    async with ControlClient("walkers", state_folder("walkers", topology)) as client:
        assert (await client.request("overview"))["edge"] == edge
        events = await client.request("timeline")
    [deployed] = [each for each in events if each["type"] == "deployed"]
    assert deployed["reason"] == "takeover"
    assert f"process {second.process.pid}" in deployed["message"]
    calls = topology.with_name("calls").read_text().splitlines()
    assert set(Counter(line.rpartition(" ")[0] for line in calls).values()) == {1}
    assert (await first.end()).code == 0


@pytest.mark.promise(id="SEM-1808")
async def test_code_of_a_process_that_cannot_be_imported_leaves_the_version_that_runs_alone(
    topology: Path, start: Callable[..., Awaitable[Running]]
) -> None:
    change(topology, PLAIN)
    running = await start("run", topology)
    await running.until("ready ")
    old = await ask(topology, "plain", 0)
    change(topology, {"team.Plain": "broken.Plain"})
    topology.with_name("broken.py").write_text("import nothing_of_that_name")
    result = await (await start("run", topology, "--takeover")).end()
    assert result.code == 1
    assert "No module named 'nothing_of_that_name'" in result.err
    assert await ask(topology, "plain", 0) == old


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (STATE, "state: {type: memory}", "needs a state store that outlives the program"),
        (STATE, "transport: {type: nats}", "write state: {type: nats_kv, bucket: state}"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(
    topology: Path, civitas: Callable[..., Result], old: str, new: str, said: str
) -> None:
    change(topology, {old: new})
    result = civitas("run", topology, "--takeover")
    assert result.code == 1
    assert said in result.err
