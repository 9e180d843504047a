"""`civitas run --takeover` in the middle of a crew: the new version goes on with its next call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.control import ControlClient, state_folder
from civitas.demo.model_server import ModelServer
from tests.core.cli.conftest import start
from tests.core.cli.support import Running

__all__ = ["start"]

# Two programs that import CrewAI.
pytestmark = [pytest.mark.deep, pytest.mark.timeout(180)]

CREW = """
import os
from pathlib import Path

from crewai import LLM, Agent, Crew, Task


def make() -> Crew:
    llm = LLM(model="openai/m", base_url=os.environ["MODELS"], api_key="x", max_retries=0)
    tasks = []
    for n in range(4):
        texts = {"role": f"clerk {n}", "goal": "Do it", "backstory": "You do it."}
        agent = Agent(**texts, llm=llm, max_retry_limit=0)
        tasks.append(Task(description=f"Do part {n}.", expected_output="Text", agent=agent))
    return Crew(agents=[task.agent for task in tasks], tasks=tasks)
"""
TOPOLOGY = """
name: crews
state: {type: sqlite, path: state.db}
supervision:
  children:
    - agent: {name: crew, wrap: "team:make", durable: true}
"""


def role(body: dict[str, Any]) -> str:
    """Who asks the model."""
    return str(body["messages"][0]["content"]).partition(".")[0]


@pytest.mark.promise(id="SEM-1829")
async def test_a_crew_goes_on_in_the_new_version_and_asks_its_model_nothing_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[..., Awaitable[Running]],
) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text(TOPOLOGY)
    (tmp_path / "team.py").write_text(CREW)
    taken = threading.Event()

    def answer(body: dict[str, Any]) -> str:
        """The second call is under way until the new version has asked for the system."""
        if role(body) == "You are clerk 1":
            assert taken.wait(150)
        return f"done by {role(body)}"

    with ModelServer(answer) as models:
        monkeypatch.setenv("MODELS", models.url)
        first = await start("run", topology)
        await first.until("ready ")
        async with ControlClient("crews", state_folder("crews", topology)) as client:
            asking = client.request("ask", to="crew", payload={}, run="crew-1", timeout=150)
            asked = asyncio.create_task(asking)
            while len(models.requests) < 2:
                await asyncio.sleep(0.01)
            second = await start("run", topology, "--takeover")
            await first.until("passing ")
            assert len(models.requests) == 2
            taken.set()
            await second.until("ready ")
            tasks = (await asked)["payload"]["tasks"]
    assert (await first.end()).code == 0
    assert [task["raw"] for task in tasks] == [f"done by You are clerk {n}" for n in range(4)]
    assert [role(body) for body in models.requests] == [f"You are clerk {n}" for n in range(4)]
