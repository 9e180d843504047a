"""Asks that would wait for themselves, over several OS processes."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest

from civitas.message import new_id
from tests.integration.wire.conftest import ROUTES, System, everywhere, topology, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPOLOGY = topology(
    *everywhere("two"),
    *everywhere("three"),
    {
        "conversation_pool": {
            "name": "w_pool",
            "type": "tests.integration.wire.agents:Hand",
            "process": "worker",
        }
    },
)

ORDERS = [
    pytest.param(*order, id=" ".join(order)) for order in permutations(("r_one", "w_one", "v_one"))
]


def chain(*names: str, timeout: float = 15) -> dict[str, Any]:
    """What the first of `names` is told, so that each asks the next, and the last echoes."""
    order: Any = {"to": names[-1], "payload": "end", "message_type": "echo", "timeout": timeout}
    for name in reversed(names[1:-1]):
        order = {"to": name, "payload": order, "message_type": "ask", "timeout": timeout}
    return order


def innermost(found: Any) -> Any:
    """What the last asker of a chain got."""
    while "payload" in found and isinstance(found["payload"], dict):
        found = found["payload"]
    return found


@pytest.mark.promise(id="SEM-855")
@pytest.mark.parametrize("name", ["r_one", "w_one"])
async def test_an_agent_that_asks_itself_is_refused(system: System, name: str) -> None:
    found = await system.ask(name, name)
    assert found["error"] == "AskCycle"
    assert f"{name} -> {name}" in found["text"].replace("'", "").replace("→", "->")


@pytest.mark.promise(id="SEM-855")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_two_that_would_wait_for_each_other_are_told_at_once(
    system: System, here: str, there: str
) -> None:
    names = (f"{here}_one", f"{there}_one", f"{here}_one")
    found = innermost(await system.tell(names[0], "ask", chain(*names)))
    assert found["error"] == "AskCycle"
    assert all(name in found["text"] for name in names)
    assert found["seconds"] < 5


@pytest.mark.promise(id="SEM-855")
@pytest.mark.parametrize(("first", "second", "third"), ORDERS)
async def test_three_in_three_processes_are_told_at_once(
    system: System, first: str, second: str, third: str
) -> None:
    found = innermost(await system.tell(first, "ask", chain(first, second, third, first)))
    assert found["error"] == "AskCycle"
    assert all(name in found["text"] for name in (first, second, third))
    assert found["seconds"] < 5


@pytest.mark.promise(id="SEM-855")
@pytest.mark.parametrize(("here", "there"), [*ROUTES, ("v", "r")])
async def test_a_circle_that_an_ask_within_one_process_closes_is_found(
    system: System, here: str, there: str
) -> None:
    names = (f"{here}_one", f"{there}_one", f"{here}_two", f"{here}_one")
    found = innermost(await system.tell(names[0], "ask", chain(*names)))
    assert found["error"] == "AskCycle"
    assert all(name in found["text"] for name in names)
    assert found["seconds"] < 5
    assert (await system.ask(f"{here}_two", f"{here}_one", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-855")
async def test_a_circle_over_six_agents_of_three_processes_is_found(system: System) -> None:
    names = ("w_one", "w_two", "r_one", "v_one", "v_two", "r_two", "w_one")
    found = innermost(await system.tell(names[0], "ask", chain(*names)))
    assert found["error"] == "AskCycle"
    assert all(name in found["text"] for name in names)


@pytest.mark.promise(id="SEM-855")
async def test_a_circle_through_a_conversation_elsewhere_is_found(system: System) -> None:
    order = chain("r_one", "w_pool", "r_one")
    found = innermost(await system.tell("r_one", "ask", {**order, "conversation": "c"}))
    assert found["error"] == "AskCycle"
    assert "w_pool/c" in found["text"]


@pytest.mark.promise(id="SEM-855")
async def test_two_that_ask_each_other_at_the_same_moment_do_not_wait_for_ever(
    system: System,
) -> None:
    for _ in range(50):
        answers = await asyncio.gather(
            system.tell("w_one", "ask", chain("w_one", "v_one")),
            system.tell("v_one", "ask", chain("v_one", "w_one")),
        )
        for found in answers:
            assert found.get("error", "AskCycle") == "AskCycle"


@pytest.mark.promise(id="SEM-856")
async def test_agents_that_ask_each_other_in_turn_are_no_circle(system: System) -> None:
    """Each answers before it asks: an answer that is still on its way closes no circle."""
    names = ["r_one", "w_one", "v_one", "w_two", "r_two", "v_two"]
    for _ in range(100):
        for asker, asked in zip(names, [*names[1:], names[0]], strict=True):
            assert (await system.ask(asker, asked, 1))["payload"] == 1


@pytest.mark.promise(id="SEM-856")
async def test_many_that_ask_along_a_line_are_no_circle(system: System) -> None:
    async def line(*names: str) -> Any:
        return innermost(await system.tell(names[0], "ask", chain(*names)))

    for _ in range(30):
        found = await asyncio.gather(
            *(line("r_one", "w_one", "v_one", "r_three") for _ in range(5)),
            *(line("w_one", "v_one", "r_three") for _ in range(5)),
            *(line("v_one", "r_three", "w_three") for _ in range(5)),
        )
        assert [each["payload"] for each in found] == ["end"] * 15


@pytest.mark.promise(id="SEM-856")
async def test_asking_the_same_agent_twice_in_one_handler_is_no_circle(system: System) -> None:
    for _ in range(20):
        assert (await system.ask("w_one", "v_one", 1))["payload"] == 1
        assert (await system.ask("v_one", "w_one", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("letter", ["r", "w"])
async def test_an_ask_by_way_of_the_runtime_that_is_asked_back_is_a_cycle(
    system: System, letter: str
) -> None:
    back = {"to": "r_one", "payload": 1, "message_type": "echo"}
    asks = {"to": f"{letter}_two", "payload": back, "message_type": "ask"}
    found = await asyncio.wait_for(system.tell("r_one", "ask_by_runtime", asks), 5)
    assert found["payload"]["error"] == "AskCycle"
    assert (await system.ask("w_one", "r_one", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-1107")
async def test_the_last_leg_of_a_circle_may_be_the_one_by_way_of_the_runtime(
    system: System,
) -> None:
    gate = new_id()
    to_root = {"to": "r_one", "payload": 1, "message_type": "echo"}
    # w_two is held, asks r_one when it is let go, which asks w_two meanwhile.
    asking = asyncio.create_task(system.tell("w_two", "hold_ask", {"gate": gate, "ask": to_root}))
    await system.wrote("w_two", "hold")
    held = {"to": "w_two", "payload": 1, "message_type": "echo"}
    leg = asyncio.create_task(system.tell("r_one", "ask_by_runtime", held))
    await until(lambda: system.runtime._node.registry["r_one"].asking)
    await system.open("w", gate)
    first, second = await asyncio.wait_for(asyncio.gather(asking, leg), 5)
    assert "AskCycle" in (first.get("error"), second.get("error"))
