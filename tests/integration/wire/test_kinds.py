"""Every kind of child in every place: in the root and in other OS processes, nested, and started later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from civitas import ConversationPool, DynamicSupervisor, Supervisor
from tests.integration.wire.agents import Hand
from tests.integration.wire.conftest import PLACES, System, agent, topology

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK: dict[str, Any] = {"conversation": "c"}


def pool(name: str, process: str | None) -> dict[str, Any]:
    entry = {"name": name, "type": "tests.integration.wire.agents:Hand"}
    return {"conversation_pool": entry if process is None else {**entry, "process": process}}


def supervisor(name: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"supervisor": {"name": name, "max_restarts": 100, "children": list(children)}}


def kinds(where: str) -> Iterator[dict[str, Any]]:
    """A child of each kind in each place; `where` ends their names."""
    for letter, process in PLACES.items():
        yield agent(f"{letter}_agent{where}", process=process)
        yield pool(f"{letter}_pool{where}", process)
    yield agent(f"w_many{where}", process=f"many{where}", replicas=2)
    yield {"dynamic_supervisor": {"name": f"sessions{where}"}}


TOPOLOGY = topology(
    *kinds("_beside"),
    supervisor("outer", *kinds("_nested"), supervisor("inner", *kinds("_deep"))),
)
ASKED = [
    f"{name}{where}"
    for where in ("_beside", "_nested", "_deep")
    for name in ("r_agent", "w_agent", "v_agent", "r_pool", "w_pool", "v_pool", "w_many")
]


@pytest.mark.promise(id="SEM-881")
@pytest.mark.parametrize("name", ASKED)
async def test_a_child_is_asked_from_every_process_wherever_it_is(
    name: str, system: System
) -> None:
    for letter in PLACES:
        found = await system.ask(f"{letter}_one", name, letter, **TALK)
        assert found.get("payload") == letter, found


@pytest.mark.promise(id="SEM-881")
@pytest.mark.parametrize("name", [each for each in ASKED if "many" not in each])
async def test_a_child_that_crashed_is_back_wherever_it_is(name: str, system: System) -> None:
    found = await system.outcome(system.runtime.ask(name, None, "raise", **TALK))
    assert found.get("error") == "HandlerFailed", found
    assert (await system.ask("v_one", name, "again", **TALK)).get("payload") == "again"


@pytest.mark.promise(id="SEM-881")
@pytest.mark.parametrize("above", ["top", "outer", "inner"])
async def test_a_child_of_each_kind_is_started_later_in_a_system_of_several_processes(
    above: str, system: System
) -> None:
    runtime = system.runtime
    added: list[Any] = [
        Hand(f"late_agent_{above}"),
        ConversationPool(f"late_pool_{above}", Hand("talk")),
        DynamicSupervisor(f"late_sessions_{above}"),
        Supervisor(
            f"late_{above}",
            children=[
                Hand(f"late_below_{above}"),
                ConversationPool(f"late_pool_below_{above}", Hand("talk")),
            ],
        ),
    ]
    for child in added:
        await runtime.start_child(above, child)
    await runtime.start_child(f"late_sessions_{above}", Hand(f"late_session_{above}"))
    for name in ("agent", "pool", "below", "pool_below", "session"):
        for letter in PLACES:
            found = await system.ask(f"{letter}_one", f"late_{name}_{above}", letter, **TALK)
            assert found.get("payload") == letter, found
    for child in added:
        await runtime.terminate_child(above, child.name)
        await runtime.delete_child(above, child.name)
    found = await system.ask("w_one", f"late_pool_{above}", 1, **TALK)
    assert found.get("error") in ("UnknownAgent", "AgentTerminated"), found
