"""Agents come back with their state."""

from __future__ import annotations

import pytest

from civitas import Runtime
from tests.integration.processes.system import agent, killed, topology


@pytest.mark.promise(id="SEM-907")
@pytest.mark.parametrize("store", ["sqlite", "of the root"])
async def test_an_agent_of_a_killed_process_is_back_with_its_checkpointed_state(tmp_path, store):
    state = {"type": "sqlite", "path": str(tmp_path / "state.db")} if store == "sqlite" else {}
    config = topology(agent("a", "w", "Counter"), agent("b", "v", "Counter"), state=state)
    async with Runtime.from_config(config) as runtime:
        for n in range(1, 6):
            assert (await runtime.ask("a", None)).payload == n
            assert (await runtime.ask("b", None)).payload == n
            if n % 2:
                await killed(runtime, "a")


async def test_the_state_of_the_topologys_store_outlives_the_root(tmp_path):
    state = {"type": "sqlite", "path": str(tmp_path / "state.db")}
    config = topology(agent("a", "w", "Counter"), state=state)
    for n in (1, 2):
        async with Runtime.from_config(config) as runtime:
            assert (await runtime.ask("a", None)).payload == n
