"""Graphs in OS processes that are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime, StartFailed, UnknownInterrupt
from tests.deep import further
from tests.integration.adapters.points import Points, kept_in, result_of, system
from tests.integration.processes.system import killed, running

GRAPHS = "tests.integration.adapters.graphs"


def graph(name: str, **keywords: Any) -> dict[str, Any]:
    return {"name": "g", "wrap": f"{GRAPHS}:{name}", "process": "w", **keywords}


@pytest.mark.promise(id="SEM-1588")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", [(20, 1), *further((200, 5))])
async def test_a_long_run_that_is_killed_again_and_again_makes_each_call_once_and_keeps_it_once(
    tmp_path: Path, run: tuple[int, int]
) -> None:
    calls, kills = run
    points = Points(tmp_path)
    for number in range(kills):
        points.kill(f"look-{(number * calls + calls // 2) // kills}")
    agent = graph(
        "reading", durable=True, config={"recursion_limit": 10_000}, max_deliveries=kills + 2
    )
    config = system(tmp_path, agent)
    config["supervision"]["max_restarts"] = kills + 2
    async with Runtime.from_config(config) as runtime:
        reply = await runtime.ask("g", {"input": str(calls)}, conversation="c", timeout=None)
    found = [each["content"] for each in reply.payload["messages"] if each["type"] == "tool"]
    assert found == [result_of(number) for number in range(calls)]
    assert points.passed == [f"look-{number}" for number in range(calls)]
    assert kept_in(tmp_path) <= 1.2 * sum(map(len, found))


@pytest.mark.promise(id="SEM-978")
@pytest.mark.parametrize("where", ["two", *further("one", "three")])
async def test_a_durable_graph_goes_on_after_kill_9_and_runs_no_finished_node_again(
    tmp_path: Path, where: str
) -> None:
    points = Points(tmp_path)
    points.hold(where)
    config = system(tmp_path, graph("three", durable=True))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"got": []}, timeout=60))
        await points.kill_at(runtime, "g", where)
        reply = await asking
    assert reply.payload["got"] == ["one", "two", "three"]
    names = ["one", "two", "three"]
    names.insert(names.index(where), where)
    assert points.passed == names


@pytest.mark.promise(id="SEM-978")
async def test_the_stream_of_a_durable_graph_goes_on_after_kill_9_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    points = Points(tmp_path)
    points.hold("two")
    config = system(tmp_path, graph("three", durable=True))
    async with Runtime.from_config(config) as runtime:
        killing = asyncio.create_task(points.kill_at(runtime, "g", "two"))
        stream = runtime.stream("g", {"got": []}, timeout=60)
        chunks = [(each.type, each.payload) async for each in stream]
        await killing
    steps = [("step", {"name": name}) for name in ("one", "two", "three")]
    assert chunks == [*steps, ("reply", {"got": ["one", "two", "three"]})]


async def test_an_interrupt_is_answered_after_the_process_and_the_root_are_gone(
    tmp_path: Path,
) -> None:
    points = Points(tmp_path)
    config = system(tmp_path, graph("asking"))
    async with Runtime.from_config(config) as runtime:
        asked = await runtime.ask("g", {"got": []}, timeout=60)
        await killed(runtime, "g")
        await running(runtime, 60)
    async with Runtime.from_config(config) as runtime:
        answer = {"id": asked.payload["interrupts"][0]["id"], "value": "yes"}
        conversation = asked.conversation
        reply = await runtime.ask("g", answer, "resume", conversation=conversation, timeout=60)
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("g", answer, "resume", conversation=conversation, timeout=60)
    assert reply.payload["got"] == ["one", "yes", "two"]
    assert points.passed == ["one", "two"]


async def test_an_answer_in_hand_when_its_process_is_killed_is_not_lost(tmp_path: Path) -> None:
    points = Points(tmp_path)
    points.hold("two")
    config = system(tmp_path, graph("asking", durable=True))
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("g", {"got": []}, conversation="c", timeout=60)
        answer = {"value": "yes"}
        answering = asyncio.create_task(
            runtime.ask("g", answer, "resume", conversation="c", timeout=60)
        )
        await points.kill_at(runtime, "g", "two")
        reply = await answering
    assert reply.payload["got"] == ["one", "yes", "two"]
    assert points.passed == ["one", "two", "two"]


async def test_a_conversation_is_kept_over_kill_9_and_by_a_pool_in_another_process(
    tmp_path: Path,
) -> None:
    Points(tmp_path)
    config = system(tmp_path, graph("three", per_conversation=True))
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("g", {"got": ["a"]}, conversation="c", timeout=60)
        await killed(runtime, "g")
        await running(runtime, 60)
        reply = await runtime.ask("g", {"got": ["b"]}, conversation="c", timeout=60)
    names = ["one", "two", "three"]
    assert reply.payload["got"] == ["a", *names, "b", *names]


async def test_replicas_keep_a_conversation_when_another_gets_it(tmp_path: Path) -> None:
    points = Points(tmp_path)
    config = system(tmp_path, graph("asking", replicas=2))
    async with Runtime.from_config(config) as runtime:
        asked = await runtime.ask("g", {"got": []}, timeout=60)
        assert asked.sender is not None
        await runtime.terminate_child("g", asked.sender)
        answer, conversation = {"value": "yes"}, asked.conversation
        reply = await runtime.ask("g", answer, "resume", conversation=conversation, timeout=60)
    assert {asked.sender, reply.sender} == {"g-1", "g-2"}
    assert reply.payload["got"] == ["one", "yes", "two"]
    assert points.passed == ["one", "two"]


@pytest.mark.promise(id="SEM-935")
async def test_a_durable_graph_of_a_replica_goes_on_in_another_after_kill_9(tmp_path: Path) -> None:
    points = Points(tmp_path)
    points.hold("two")
    config = system(tmp_path, graph("three", durable=True, replicas=2))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"got": []}, timeout=60))
        await points.kill_at(runtime, "g-1", "two")
        reply = await asking
    assert reply.sender == "g-2"  # it was up
    assert reply.payload["got"] == ["one", "two", "three"]
    assert points.passed == ["one", "two", "two", "three"]


@pytest.mark.promise(id="SEM-1006")
async def test_a_durable_graph_whose_checkpointer_dies_with_its_process_does_not_start(
    tmp_path: Path,
) -> None:
    config = system(tmp_path, graph("in_memory", durable=True))
    with pytest.raises(
        StartFailed, match="InMemorySaver has is in memory: lost when the process 'w' dies"
    ):
        async with Runtime.from_config(config):
            pass


@pytest.mark.promise(id="SEM-1012")
async def test_graphs_of_two_processes_have_the_store_of_the_root(tmp_path: Path) -> None:
    """Even where that keeps it in memory."""
    there, here = graph("noting"), {"name": "h", "wrap": f"{GRAPHS}:noting"}
    config = system(tmp_path, there, here, state={"type": "memory"})
    async with Runtime.from_config(config) as runtime:
        known = []
        for name in ("h", "g", "h"):
            reply = await runtime.ask(name, {"got": [len(known)]}, timeout=60)
            known.append(reply.payload["got"][-1])
        await killed(runtime, "g")
        await running(runtime, 60)
        reply = await runtime.ask("g", {"got": [3]}, timeout=60)
    assert [*known, reply.payload["got"][-1]] == [[], ["0"], ["0", "1"], ["0", "1", "2"]]
