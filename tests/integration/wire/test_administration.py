"""Supervisors of the root and their children in other OS processes: administration, the tree, the events."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from opentelemetry import trace

from civitas import SupervisionError
from civitas.control.operations import Operations
from civitas.message import new_id
from tests.integration.wire.conftest import System, agent, everywhere, topology, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def group(name: str, strategy: str) -> dict[str, Any]:
    """A supervisor with a child in each process."""
    return {
        "supervisor": {
            "name": name,
            "strategy": strategy,
            "max_restarts": 1000,
            "backoff": "none",
            "children": [*everywhere(name, "Announced")],
        }
    }


GONE = ["r_gone", "w_gone", "v_gone"]
LEAVING = ["r_leaves", "w_leaves", "v_leaves"]

TOPOLOGY = topology(
    group("all", "one_for_all"),
    group("rest", "rest_for_one"),
    {
        "supervisor": {
            "name": "parting",
            "strategy": "one_for_all",
            "max_restarts": 1000,
            "backoff": "none",
            "children": [
                *everywhere("leaves", "Leaves", args={"to": GONE}),
                *everywhere("gone"),
            ],
        }
    },
    {
        "supervisor": {
            "name": "sharing",
            "strategy": "rest_for_one",
            "max_restarts": 1000,
            "backoff": "none",
            "children": [
                *everywhere("firm", delivery="at_least_once", max_deliveries=100),
                *everywhere("asking"),
            ],
        }
    },
    {
        "supervisor": {
            "name": "ending",
            "strategy": "one_for_all",
            "max_restarts": 1000,
            "backoff": "none",
            "children": [
                *everywhere("late", delivery="at_least_once", max_deliveries=100),
                *everywhere("patient"),
                agent("fuse"),
            ],
        }
    },
    {
        "supervisor": {
            "name": "spare",
            "children": [
                agent("kept", process="worker"),
                agent("brief", process="worker", restart="temporary"),
                agent("calm", process="other", restart="transient"),
            ],
        }
    },
)


async def reason_of(call: Any) -> str:
    with pytest.raises(SupervisionError) as caught:
        await call
    return caught.value.reason


@pytest.mark.promise(id="SEM-863")
async def test_a_child_elsewhere_is_terminated_restarted_and_deleted(system: System) -> None:
    runtime = system.runtime
    assert await reason_of(runtime.restart_child("spare", "kept")) == "running"
    assert await reason_of(runtime.delete_child("spare", "kept")) == "running"
    await runtime.terminate_child("spare", "kept")
    assert (system.find("kept")["status"], runtime.count_children("spare")["active"]) == (
        "stopped",
        2,
    )
    assert (await system.ask("v_one", "kept"))["error"] == "AgentTerminated"
    await runtime.restart_child("spare", "kept")
    assert (await system.ask("v_one", "kept", 1))["payload"] == 1
    await runtime.terminate_child("spare", "kept")
    await runtime.delete_child("spare", "kept")
    assert await reason_of(runtime.restart_child("spare", "kept")) == "not_found"
    for asker in ("r_one", "w_one", "v_one"):
        assert (await system.ask(asker, "kept"))["error"] == "UnknownAgent"


@pytest.mark.promise(id="SEM-863")
async def test_a_temporary_child_elsewhere_is_forgotten_when_it_ended(system: System) -> None:
    await system.tell("w_one", "send", {"to": "brief", "payload": None, "message_type": "stop"})
    await until(
        lambda: "brief" not in [each["name"] for each in system.runtime.which_children("spare")]
    )
    assert (await system.ask("v_one", "brief"))["error"] == "UnknownAgent"


@pytest.mark.promise(id="SEM-863")
@pytest.mark.promise(id="SEM-1474")
async def test_a_transient_child_elsewhere_that_ended_normally_stays_down(system: System) -> None:
    await system.tell("w_one", "send", {"to": "calm", "payload": None, "message_type": "stop"})
    await until(lambda: system.find("calm")["status"] == "stopped")
    assert system.find("calm")["pid"] is None
    assert (await system.ask("r_one", "calm"))["error"] == "AgentTerminated"
    await system.runtime.restart_child("spare", "calm")
    await system.ask("r_one", "calm", None, "crash")
    assert (await system.ask("w_one", "calm", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-863")
async def test_an_operator_restarts_an_agent_elsewhere_and_messages_wait(system: System) -> None:
    before = system.find("w_one")["restarts"]
    gate, held = new_id(), (await system.journal("w_one")).count("hold")
    holding = asyncio.create_task(system.ask("v_one", "w_one", gate, "hold"))
    await system.wrote("w_one", "hold", held + 1)
    restarting = asyncio.create_task(system.runtime.restart("w_one"))
    waiting = asyncio.create_task(system.ask("r_one", "w_one", "waited"))
    await until(lambda: system.find("w_one")["status"] == "stopping")
    await system.open("w", gate)
    await restarting
    assert (await waiting)["payload"] == "waited"
    assert (await holding)["payload"] == "let go"
    assert system.find("w_one")["restarts"] == before + 1
    assert await reason_of(system.runtime.restart("nobody")) == "not_found"


@pytest.mark.promise(id="SEM-864")
async def test_a_group_over_three_processes_restarts_together(system: System) -> None:
    for crashing in ("r_all", "w_all", "v_all"):
        starts = {
            name: (await system.journal(name)).count("start")
            for name in ("r_all", "w_all", "v_all")
        }
        await system.ask("r_one", crashing, None, "crash")
        for name, count in starts.items():
            await system.wrote(name, "start", count + 1)
            assert (await system.ask("r_one", name, 1))["payload"] == 1


@pytest.mark.promise(id="SEM-864")
async def test_the_rest_of_a_group_over_three_processes_restarts(system: System) -> None:
    names = ("r_rest", "w_rest", "v_rest")
    starts = {name: (await system.journal(name)).count("start") for name in names}
    await system.ask("r_one", "w_rest", None, "crash")
    for name in names[1:]:
        await system.wrote(name, "start", starts[name] + 1)
    assert (await system.journal("r_rest")).count("start") == starts["r_rest"]


@pytest.mark.promise(id="SEM-1106")
async def test_who_is_stopped_asks_those_that_are_down_and_is_told_at_once(system: System) -> None:
    """The crashed one is started when all are stopped; who waited for it would hold up its start."""
    for crashing in GONE:
        before = {name: len(await system.journal(name)) for name in LEAVING}
        async with asyncio.timeout(5):
            await system.ask("r_one", crashing, None, "crash")
            assert (await system.ask("r_one", crashing, 1))["payload"] == 1
        for name, count in before.items():
            entries = (await system.journal(name))[count:]
            # What is only sent waits for the next incarnation.
            assert entries == [[to, "AgentTerminated", "AgentTerminated", ""] for to in GONE]


@pytest.mark.promise(id="SEM-1106")
async def test_who_is_stopped_for_good_is_told_of_those_that_ended_before(system: System) -> None:
    before = {name: len(await system.journal(name)) for name in LEAVING}
    async with asyncio.timeout(5):
        await system.runtime.terminate_child("top", "parting")
    for name, count in before.items():
        entries = (await system.journal(name))[count:]
        assert entries == [[to, *["AgentTerminated"] * 3] for to in GONE]


@pytest.mark.promise(id="SEM-1468")
@pytest.mark.parametrize("firm", ["r_firm", "w_firm"])
async def test_who_is_stopped_for_a_restart_waits_no_more_for_an_answer_of_who_is_down(
    system: System, firm: str
) -> None:
    gate = f"down {firm}"
    askers = ["r_asking", "w_asking", "v_asking"]
    before = (await system.journal(firm)).count("hold")
    asks = [
        asyncio.create_task(
            system.tell(asker, "ask", {"to": firm, "payload": gate, "message_type": "hold_crash"})
        )
        for asker in askers
    ]
    await system.wrote(firm, "hold", before + 1)
    await until(lambda: system.find(firm)["mailbox_depth"] == 2)
    async with asyncio.timeout(10):
        await system.open(firm[0], gate)
        outcomes = await asyncio.gather(*asks)
        assert [each["error"] for each in outcomes] == ["AgentTerminated"] * 3
        assert (await system.ask("v_one", firm, 1))["payload"] == 1


@pytest.mark.promise(id="SEM-1468")
@pytest.mark.parametrize(("asker", "asked"), [("r", "w"), ("w", "r"), ("w", "v"), ("w", "w")])
async def test_who_is_being_stopped_does_not_wait_for_one_that_crashes_after_that_began(
    system: System, asker: str, asked: str
) -> None:
    name, gate = f"{asker}_patient", new_id()
    before = (await system.journal(f"{asked}_late")).count("hold")
    order = {"to": f"{asked}_late", "payload": gate, "message_type": "hold_crash", "timeout": None}
    asking = asyncio.create_task(system.tell(name, "ask", order))
    await system.wrote(f"{asked}_late", "hold", before + 1)
    await system.ask(f"{asker}_one", "fuse", None, "crash")
    await until(lambda: system.find(name)["status"] == "stopping")
    async with asyncio.timeout(10):
        await system.open(asked, gate)
        assert (await asking)["error"] == "AgentTerminated"
        assert (await system.ask("r_one", f"{asked}_late", 1))["payload"] == 1


@pytest.mark.promise(id="SEM-865")
async def test_the_tree_tells_where_everybody_runs(system: System) -> None:
    pids = {letter: await system.tell(f"{letter}_keeper", "where") for letter in "rwv"}
    assert pids["r"] == os.getpid()
    assert len(set(pids.values())) == 3
    # A mailbox elsewhere is told of as it was a moment ago.
    await until(lambda: not any(each["mailbox_depth"] for each in system.nodes()))
    for letter, node in (("r", "root"), ("w", "worker"), ("v", "other")):
        found = system.find(f"{letter}_keeper")
        assert (found["node"], found["pid"]) == (node, pids[letter])
        assert (found["kind"], found["status"], found["restarts"]) == ("agent", "running", 0)
        assert found["children"] == []
        # Of another process it is what that told a moment ago, perhaps while its agent was asked.
        await until(lambda name=found["name"]: system.find(name)["mailbox_depth"] == 0)  # type: ignore[misc]
        assert len(found) == 8
    top = system.find("top")
    assert (top["node"], top["pid"]) == ("root", os.getpid())


@pytest.mark.promise(id="SEM-865")
async def test_the_tree_counts_restarts_and_waiting_messages_of_other_processes(
    system: System,
) -> None:
    before = system.find("w_keeper")["restarts"]
    await system.ask("r_one", "v_one", None, "crash")
    await until(lambda: system.find("v_one")["restarts"] >= 1)
    gate = new_id()
    held = (await system.journal("v_one")).count("hold")
    holding = asyncio.create_task(system.ask("r_one", "v_one", gate, "hold"))
    await system.wrote("v_one", "hold", held + 1)
    await system.tell("w_one", "send_many", {"to": "v_one", "count": 7})
    await until(lambda: system.find("v_one")["mailbox_depth"] == 7)
    await system.open("v", gate)
    await holding
    await until(lambda: system.find("v_one")["mailbox_depth"] == 0)
    assert system.find("w_keeper")["restarts"] == before


@pytest.mark.promise(id="SEM-866")
async def test_events_tell_of_every_process_and_name_it(system: System) -> None:
    events = system.told("crashed", "restarted", "dead_letter", "terminated", "started")
    await system.ask("r_one", "w_one", None, "crash")
    await until(lambda: len(events) == 3)
    assert {(each.type, each.name, each.node) for each in events} == {
        ("dead_letter", "w_one", "worker"),
        ("crashed", "w_one", "worker"),
        ("restarted", "w_one", "worker"),
    }
    assert "ValueError" in next(each.message for each in events if each.type == "crashed")


@pytest.mark.promise(id="SEM-866")
async def test_a_dead_letter_between_two_other_processes_is_told(system: System) -> None:
    letters = system.told("dead_letter")
    await system.tell("w_one", "after", "nobody")
    await until(lambda: letters)
    found = letters[0]
    assert (found.name, found.reason, found.node) == ("nobody", "unknown", "worker")


@pytest.mark.promise(id="SEM-1803")
async def test_spans_of_all_processes_are_recorded_only_while_somebody_looks_at_the_traces(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)  # the API takes one in a process's life
    operations = Operations(system.runtime)

    async def spans() -> set[str]:
        order = {"to": "v_one", "payload": 1, "message_type": "echo"}
        await system.tell("w_one", "then_ask", order)
        traces = (await operations.answer({"op": "traces"}))["ok"]["traces"]
        opened = {"op": "traces", "opened": traces[0]["id"] if traces else ""}
        return {each["name"] for each in (await operations.answer(opened))["ok"]["spans"]}

    async def headers() -> dict[str, str]:
        found = await system.ask("w_one", "v_one", message_type="envelope")
        return dict(found["payload"]["headers"])

    assert "traceparent" not in await headers()
    async with asyncio.timeout(10):
        while not {"send w_one", "process w_one", "send v_one", "process v_one"} <= await spans():
            await asyncio.sleep(0)
        operations.close()
        while "traceparent" in await headers():
            await asyncio.sleep(0)
