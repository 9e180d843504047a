"""`civitas run --takeover`: a new version goes on with the runs under way, and askers notice nothing."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from civitas.control import ControlClient, state_folder
from tests.core.cli.support import Result, Running

pytestmark = pytest.mark.timeout(60)  # programs are started one after another

TEAM = """
from __future__ import annotations

import asyncio
import os
from pathlib import Path

from civitas import AgentProcess

CALLS = Path(__file__).with_name("calls")


class Walker(AgentProcess):
    async def handle(self, message):
        pids = []
        for n in range(message.payload["steps"]):
            pids.append(await self.step(f"step {n}", self.walk, message.payload["who"], n))
        return self.reply({"pids": sorted(set(pids))})

    async def walk(self, who, n):
        with CALLS.open("a") as calls:
            calls.write(f"{who} {n}\\n")
        await asyncio.sleep(0.1)
        return os.getpid()


class Plain(AgentProcess):
    async def handle(self, message):
        await asyncio.sleep(message.payload)
        return self.reply(os.getpid())
"""

TOPOLOGY = """
name: walkers
state: {type: sqlite, path: state.db}
edge: {http: {port: PORT}}
supervision:
  children:
    - conversation_pool: {name: walker, type: team.Walker, delivery: durable}
    - agent: {name: plain, type: team.Plain}
"""

STATE = "state: {type: sqlite, path: state.db}"


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    (tmp_path / "team.py").write_text(TEAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = TOPOLOGY.replace("PORT", str(free.getsockname()[1]))
    (tmp_path / "topology.yaml").write_text(text)
    return tmp_path / "topology.yaml"


async def ask(topology: Path, to: str, payload: object, conversation: str | None = None) -> Any:
    async with ControlClient("walkers", state_folder("walkers", topology)) as client:
        reply = await client.request(
            "ask", to=to, payload=payload, conversation=conversation, timeout=40
        )
        return reply["payload"]


def url_of(topology: Path) -> str:
    port = re.search(r"port: (\d+)", topology.read_text())
    assert port is not None
    return f"http://127.0.0.1:{port[1]}"


async def post(topology: Path, to: str, payload: object) -> Any:
    url = f"{url_of(topology)}/agents/{to}/ask"
    async with httpx.AsyncClient(timeout=40) as client:
        answer = await client.post(url, json={"payload": payload, "timeout": 40})
        assert answer.status_code == 200, answer.text
        return answer.json()["payload"]


@pytest.mark.promise(id="SEM-1726")
@pytest.mark.promise(id="SEM-1829")
async def test_a_new_version_goes_on_with_the_runs_under_way_and_no_asker_notices(
    topology: Path, start: Callable[..., Awaitable[Running]]
) -> None:
    calls = topology.with_name("calls")
    first = await start("run", topology)
    await first.until("ready ")
    asks = [
        asyncio.create_task(ask(topology, "walker", {"who": f"w{n}", "steps": 60}, f"c{n}"))
        for n in range(5)
    ]
    plain = asyncio.create_task(ask(topology, "plain", 0.5))
    over_http = asyncio.create_task(post(topology, "walker", {"who": "http", "steps": 60}))
    while not calls.exists() or len(calls.read_text().splitlines()) < 10:
        await asyncio.sleep(0.01)
    second = await start("run", topology, "--takeover")
    ready = asyncio.create_task(second.until("ready "))
    served = [first.process.pid]
    while not ready.done():
        served.append(await post(topology, "plain", 0))  # each on a connection of its own
    await ready
    assert (
        served[-1] == second.process.pid or await post(topology, "plain", 0) == second.process.pid
    )
    assert await ask(topology, "plain", 0) == second.process.pid
    assert await plain == first.process.pid
    answers = [*await asyncio.gather(*asks), await over_http]
    both = sorted([first.process.pid, second.process.pid])
    assert [each["pids"] for each in answers] == [both] * 6
    async with ControlClient("walkers", state_folder("walkers", topology)) as client:
        events = await client.request("timeline")
    [deployed] = [each for each in events if each["type"] == "deployed"]
    assert deployed["reason"] == "takeover"
    assert f"process {second.process.pid}" in deployed["message"]
    told = Counter(calls.read_text().splitlines())
    assert set(told.values()) == {1}
    assert len(told) == 6 * 60
    assert (await first.end()).code == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (STATE, "state: {type: memory}", "needs a state store that outlives the program"),
        (STATE, "transport: {type: nats}", "leave --takeover out"),
        ("team.Plain}", "team.Plain, process: worker}", "all in one OS process; with several"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(
    topology: Path, civitas: Callable[..., Result], old: str, new: str, said: str
) -> None:
    topology.write_text(topology.read_text().replace(old, new))
    result = civitas("run", topology, "--takeover")
    assert result.code == 1
    assert said in result.err
