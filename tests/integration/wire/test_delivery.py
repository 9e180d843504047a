"""State, steps and redelivery of agents in other OS processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from civitas import InMemoryStateStore, Runtime, SQLiteStateStore
from civitas.message import new_id
from tests.integration.wire.conftest import ROUTES, System, everywhere, letter, topology

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPOLOGY = topology(
    *everywhere("two"),
    *everywhere("sure", delivery="at_least_once", max_deliveries=2),
)
BARE = topology(*everywhere("sure", delivery="at_least_once"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """A system with a store in a file."""
    path = str(tmp_path_factory.mktemp("state") / "state.db")
    config = {**TOPOLOGY, "state": {"type": "sqlite", "path": path}}
    async with Runtime.from_config(config) as runtime:
        yield System(runtime)


@pytest.mark.promise(id="SEM-871")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_checkpointed_state_survives_a_crash(system: System, here: str, there: str) -> None:
    before = (await system.ask(f"{here}_one", f"{there}_two", None, "count"))["payload"]
    await system.ask(f"{here}_one", f"{there}_two", None, "crash")
    after = (await system.ask(f"{here}_one", f"{there}_two", None, "count"))["payload"]
    assert after == before + 1


@pytest.mark.promise(id="SEM-871")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_a_step_of_a_redelivered_message_is_not_done_again(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_sure"
    found = await system.ask(f"{here}_one", name, None, "step")
    paid, key = found["payload"]
    assert paid == f"paid {key}"
    assert (await system.journal(name)).count(key) == 1


@pytest.mark.promise(id="SEM-871")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_at_least_once_hands_the_queue_to_the_next_incarnation_in_order(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_sure"
    before = len(await system.journal(name))
    step = asyncio.create_task(system.ask(f"{here}_one", name, None, "step"))
    await system.tell(f"{here}_two", "send_many", {"to": name, "count": 20})
    assert (await step)["payload"][0].startswith("paid")
    await system.ask(f"{here}_two", name)
    numbers = [each for each in (await system.journal(name))[before:] if isinstance(each, int)]
    assert numbers == list(range(20))


@pytest.mark.promise(id="SEM-871")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_after_max_deliveries_the_asker_is_told(
    system: System, here: str, there: str
) -> None:
    letters = system.told("dead_letter")
    found = await system.ask(f"{here}_one", f"{there}_sure", None, "crash")
    assert (found["error"], found["facts"]["error_type"]) == ("HandlerFailed", "ValueError")
    await letter(letters, "max_deliveries")
    assert (await system.ask(f"{here}_one", f"{there}_sure", "next"))["payload"] == "next"


@pytest.mark.promise(id="SEM-872")
@pytest.mark.parametrize("given", [None, "memory", "python"])
async def test_a_step_without_a_store_that_outlives_the_process_is_refused(
    given: str | None,
) -> None:
    config = {**BARE, "state": {"type": "memory"}} if given == "memory" else BARE
    keywords: Any = {"state_store": InMemoryStateStore()} if given == "python" else {}
    async with Runtime.from_config(config, **keywords) as runtime:
        found = await System(runtime).ask("r_one", "w_sure", None, "step")
        assert found["facts"]["error_type"] == "ConfigurationError"
        assert "state:" in found["facts"]["error_message"]
        # In the process of the root it is as safe as the root.
        assert (await System(runtime).ask("r_one", "r_sure", None, "step"))["payload"]


@pytest.mark.promise(id="SEM-871")
async def test_a_store_given_in_python_keeps_the_state_of_every_process(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "given.db")
    try:
        async with Runtime.from_config(BARE, state_store=store) as runtime:
            system = System(runtime)
            for letter in "rwv":
                await system.tell(f"{letter}_one", "count")
                assert (await store.get(f"{letter}_one")) == {"n": 1}
            found = await system.ask("v_one", "w_sure", None, "step")
            assert found["payload"][0].startswith("paid")
            assert await store.keys(f"civitas:step:{new_id()}") == []
    finally:
        await store.close()


@pytest.mark.promise(id="SEM-871")
async def test_a_store_in_memory_is_one_for_all_processes() -> None:
    async with Runtime.from_config({**BARE, "state": {"type": "memory"}}) as runtime:
        system = System(runtime)
        assert (await system.ask("r_one", "w_one", None, "count"))["payload"] == 1
        await system.ask("r_one", "w_one", None, "crash")
        assert (await system.ask("v_one", "w_one", None, "count"))["payload"] == 2
