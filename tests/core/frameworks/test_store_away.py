"""What an adapter keeps of a conversation waits for a state store that is away."""

from __future__ import annotations

import asyncio

import pytest

from civitas import Runtime, SQLiteStateStore, Supervisor
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.process.test_store_away import limit, said


@pytest.mark.promise(id="SEM-1193")
@pytest.mark.parametrize("durable", [True, False])
async def test_the_record_of_a_conversation_waits_for_a_full_disk(
    durable: bool, tmp_path, caplog
) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    await limit(store, 1)
    machine = Machine()
    agent = MachineAgent("books", machine=machine, durable=durable)
    order = "x" * 9000
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        asking = asyncio.create_task(runtime.ask("books", [order], conversation="trip"))
        await said(caplog, "agent 'books': the state store is unavailable; waiting for it")
        await limit(store, 1_000_000)
        await asking
        reply = await runtime.ask("books", ["next"], conversation="trip")
        assert reply.payload == {"done": ["NEXT"], "before": [order.upper()]}
        assert machine.did == [order, "next"]
        assert runtime.tree()["children"][0]["restarts"] == 0
    await store.close()
