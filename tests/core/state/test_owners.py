"""An agent that runs on two machines by mistake: the one that was replaced overwrites nothing of its successor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    HandlerFailed,
    InMemoryStateStore,
    Message,
    NatsKVStateStore,
    Runtime,
    StateConflict,
    Supervisor,
)
from civitas.process.own_store import store_of
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.state.conftest import with_jetstream


class Counter(AgentProcess):
    async def handle(self, message: Message) -> Message:
        self.state["n"] = self.state.get("n", 0) + 1
        await asyncio.gather(self.checkpoint(), self.checkpoint())
        if message.type == "reset":
            self.state.clear()
            await self.store.delete(self.name)
        await self.store.set("everybody's", {"by": self.name})
        return self.reply(dict(self.state))


def machine_with(agent: AgentProcess, store: NatsKVStateStore) -> Runtime:
    tree = Supervisor("root", children=[agent], backoff="NONE")
    return Runtime(tree, state_store=store)


@pytest.fixture
async def stores(nats_server, bucket):
    """One for each of two machines."""
    stores = [NatsKVStateStore(nats_server.url, bucket=bucket) for _ in range(2)]
    yield stores
    for store in stores:
        await store.close()


@pytest.mark.promise(id="SEM-1443")
async def test_a_checkpoint_of_an_incarnation_that_was_replaced_is_refused(stores):
    async with (
        machine_with(Counter("counter"), stores[0]) as old,
        machine_with(Counter("counter"), stores[1]) as new,
    ):
        for n in (1, 2, 3):
            assert (await new.ask("counter", {})).payload == {"n": n}
        with pytest.raises(HandlerFailed, match="somebody else has written it") as caught:
            await old.ask("counter", {})
        assert caught.value.error_type == "StateConflict"
        assert await stores[1].get("counter") == {"n": 3}
        # Its next incarnation begins with what is there.
        assert (await old.ask("counter", {})).payload == {"n": 4}


@pytest.mark.promise(id="SEM-1443")
async def test_an_agent_may_delete_its_own_state_and_write_it_again(stores):
    async with machine_with(Counter("counter"), stores[0]) as runtime:
        assert (await runtime.ask("counter", {}, "reset")).payload == {}
        assert (await runtime.ask("counter", {})).payload == {"n": 1}
        assert runtime.tree()["children"][0]["restarts"] == 0


@pytest.mark.promise(id="SEM-1443")
async def test_a_conversation_that_went_on_elsewhere_is_not_overwritten(stores):
    machines = [Machine(), Machine()]
    agents = [MachineAgent("books", machine=machine) for machine in machines]
    async with (
        machine_with(agents[0], stores[0]) as old,
        machine_with(agents[1], stores[1]) as new,
    ):
        await old.ask("books", ["a"], conversation="trip")
        asking = asyncio.create_task(old.ask("books", ["hang"], conversation="trip"))
        await machines[0].began.wait()
        await new.ask("books", ["b"], conversation="trip")
        machines[0].go_on.set()
        with pytest.raises(HandlerFailed, match="was written elsewhere while this run was on"):
            await asking
        reply = await new.ask("books", ["c"], conversation="trip")
        assert reply.payload == {"done": ["C"], "before": ["A", "B"]}


class SharedStore(InMemoryStateStore):
    """One that several machines write, and that takes batches."""

    spans_machines = True


@pytest.mark.promise(id="SEM-1443")
async def test_a_batch_of_an_incarnation_that_was_replaced_is_refused():
    shared: Any = SharedStore()
    old, new = (store_of(shared, "a", lambda key: key == "own") for _ in range(2))
    await old.get("own")
    await new.write({"own": {"n": 1}, "other": {"n": 1}})
    with pytest.raises(StateConflict):
        await old.write({"own": {"n": 2}, "other": {"n": 2}})
    assert await shared.get_many(["own", "other"]) == {"own": {"n": 1}, "other": {"n": 1}}
    await new.write({"own": None})
    await new.write({"own": {"n": 3}})
    await new.set("own", {"n": 4})
    assert await shared.get("own") == {"n": 4}


@pytest.mark.promise(id="SEM-1437")
async def test_a_checkpoint_waits_for_a_server_that_is_started_again(tmp_path):
    server = with_jetstream(tmp_path).start()
    store = NatsKVStateStore(server.url, bucket="state")
    try:
        async with machine_with(Counter("counter"), store) as runtime:
            await runtime.ask("counter", {})
            server.kill()
            asking = asyncio.create_task(runtime.ask("counter", {}))
            await asyncio.sleep(0)
            server.start()
            assert (await asking).payload == {"n": 2}
            assert runtime.tree()["children"][0]["restarts"] == 0
    finally:
        await store.close()
        server.close()
