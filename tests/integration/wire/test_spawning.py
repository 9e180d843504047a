"""Agents that agents of other OS processes spawn."""

from __future__ import annotations

import asyncio

import pytest

from civitas.message import new_id
from tests.integration.wire.conftest import System, topology, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPOLOGY = topology(
    {"dynamic_supervisor": {"name": "sessions", "max_restarts": 1000, "backoff": "none"}},
)


def name() -> str:
    """A new one for each child."""
    return f"child-{new_id()}"


@pytest.mark.promise(id="SEM-867")
async def test_a_child_lives_in_the_process_of_its_spawner(system: System) -> None:
    child = name()
    assert await system.tell("w_one", "spawn", [child, {"given": 1}]) == child
    where = await system.tell("w_one", "where")
    for asker in ("r_one", "w_one", "v_one"):
        found = await system.ask(asker, child, None, "given")
        assert found["payload"] == [where, {"given": 1}]
    node = system.find(child)
    assert (node["node"], node["pid"], node["status"]) == ("worker", where, "running")
    assert child in [each["name"] for each in system.runtime.which_children("sessions")]


@pytest.mark.promise(id="SEM-867")
async def test_a_child_that_crashed_is_restarted_with_its_arguments(system: System) -> None:
    child = name()
    await system.tell("w_one", "spawn", [child, "kept"])
    await system.ask("v_one", child, None, "crash")
    found = await system.ask("v_one", child, None, "given")
    assert found["payload"][1] == "kept"
    await until(lambda: system.find(child)["restarts"] == 1)


@pytest.mark.promise(id="SEM-867")
@pytest.mark.parametrize("ender", ["w_one", "v_one", "r_one"])
async def test_terminate_ends_a_child_and_its_name_from_any_process(
    system: System, ender: str
) -> None:
    child = name()
    await system.tell("w_one", "spawn", [child])
    assert await system.tell(ender, "terminate", child) is True
    for asker in ("r_one", "w_one", "v_one"):
        assert (await system.ask(asker, child))["error"] == "UnknownAgent"
    assert await system.tell(ender, "terminate", child) is False
    assert await system.tell("w_one", "spawn", [child]) == child


@pytest.mark.promise(id="SEM-867")
async def test_a_child_may_terminate_itself(system: System) -> None:
    child = name()
    await system.tell("w_one", "spawn", [child])
    assert await system.tell(child, "terminate", child) is True
    await until(
        lambda: child not in [each["name"] for each in system.runtime.which_children("sessions")]
    )


@pytest.mark.promise(id="SEM-867")
async def test_a_name_that_is_taken_anywhere_is_already_started(system: System) -> None:
    for taken in ("v_one", "r_one", "w_one", "sessions"):
        kind, text = await system.tell("w_one", "spawn", [taken])
        assert kind == "SupervisionError"
        assert taken in text
    assert (await system.ask("r_one", "w_one", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-867")
async def test_arguments_that_cannot_be_sent_are_refused_with_their_path(system: System) -> None:
    kind, text = await system.tell("w_one", "spawn_unsendable", name())
    assert kind == "ConfigurationError"
    assert "lock" in text
    assert "must be data that can be sent" in text


@pytest.mark.promise(id="SEM-868")
@pytest.mark.slow
async def test_a_child_whose_process_was_killed_comes_back_from_its_recipe(system: System) -> None:
    child = name()
    await system.tell("v_one", "spawn", [child, [1, 2]])
    pid = system.find(child)["pid"]
    ref = await system.tell("r_one", "monitor", child)
    await system.tell("r_one", "send", {"to": "v_keeper", "payload": 0, "message_type": "kill"})
    await until(lambda: system.find(child)["pid"] not in (None, pid))
    async with asyncio.timeout(10):
        found = await system.ask("r_one", child, None, "given", timeout=10)
    assert found["payload"] == [system.find(child)["pid"], [1, 2]]
    journal = await system.journal("r_one")
    assert [each["reason"] for each in journal if each["ref"] == ref] == ["node_down"]
