"""`Runtime.from_config`: a topology that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    ConfigurationError,
    InMemoryStateStore,
    Message,
    Runtime,
    TopologyError,
)

Write = Callable[[str], Path]


class Counter(AgentProcess):
    async def handle(self, message: Message) -> Message:
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state["n"])


CLASSES: dict[str, type[AgentProcess]] = {"Counter": Counter}

COUNTERS = """
name: counters
state: {type: sqlite, path: state.db}
supervision:
  children:
    - agent: {name: counter, type: Counter}
    - supervisor:
        name: inner
        children:
          - agent: {name: second, type: Counter}
    - conversation_pool: {name: pool, type: Counter, max_live: 5}
"""


async def count(runtime: Runtime, name: str, **keywords: Any) -> Any:
    return (await runtime.ask(name, {}, **keywords)).payload


@pytest.mark.promise(id="SEM-117")
@pytest.mark.promise(id="SEM-610")
async def test_a_file_runs_and_its_state_outlives_the_runtime(write: Write) -> None:
    file = write(COUNTERS)
    for round_ in (1, 2):
        async with Runtime.from_config(file, agent_classes=CLASSES) as runtime:
            assert runtime.name == "counters"
            assert await count(runtime, "counter") == round_
            assert await count(runtime, "second") == round_
            assert await count(runtime, "pool", conversation="x") == round_
    assert (file.parent / "state.db").is_file()


@pytest.mark.promise(id="SEM-610")
async def test_a_dict_runs() -> None:
    config = {"supervision": {"children": [{"agent": {"name": "counter", "type": "Counter"}}]}}
    async with Runtime.from_config(config, agent_classes=CLASSES) as runtime:
        assert await count(runtime, "counter") == 1


@pytest.mark.promise(id="SEM-610")
async def test_keywords_win_over_the_file(write: Write) -> None:
    store = InMemoryStateStore()
    runtime = Runtime.from_config(
        write(COUNTERS), agent_classes=CLASSES, state_store=store, name="mine"
    )
    async with runtime:
        assert runtime.name == "mine"
        await count(runtime, "counter")
    assert await store.get("counter") == {"n": 1}


def test_a_topology_that_cannot_be_run_makes_no_runtime(write: Write) -> None:
    with pytest.raises(TopologyError, match="did you mean 'Counter'"):
        Runtime.from_config(
            write(COUNTERS.replace("type: Counter", "type: Conter", 1)), agent_classes=CLASSES
        )


def test_a_process_started_elsewhere_needs_a_place_to_meet_where_the_topology_is_no_file():
    with pytest.raises(ConfigurationError, match="needs a place to meet the root"):
        Runtime.from_config(
            {"processes": {"gpu": {"start": False}}, "supervision": {"children": []}}
        )
