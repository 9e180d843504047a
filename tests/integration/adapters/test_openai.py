"""SDK agents in OS processes that are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime, UnknownInterrupt
from tests.deep import further
from tests.integration.adapters.points import Points, kept_in, result_of, system
from tests.integration.processes.system import killed, running

AGENTS = "tests.integration.adapters.sdk_agents"
POINTS = ["outer-0", "look", "outer-1", "inner-0", "note", "inner-1", "outer-2"]


def sdk_agent(name: str, **keywords: Any) -> dict[str, Any]:
    return {"name": "o", "wrap": f"{AGENTS}:{name}", "process": "w", **keywords}


@pytest.mark.parametrize("where", ["inner-1", *further("outer-0", "look")])
@pytest.mark.promise(id="SEM-967")
async def test_a_durable_agent_goes_on_after_kill_9_and_makes_no_finished_call_again(
    tmp_path: Path, where: str
) -> None:
    points = Points(tmp_path)
    points.hold(where)
    config = system(tmp_path, sdk_agent("clerk", durable=True))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}, timeout=60))
        await points.kill_at(runtime, "o", where)
        reply = await asking
    assert reply.payload == {"output": "found noted"}
    expected = list(POINTS)
    expected.insert(expected.index(where), where)
    assert points.passed == expected


@pytest.mark.promise(id="SEM-1600")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", [(20, 1), *further((200, 5))])
async def test_a_long_run_that_is_killed_again_and_again_makes_each_call_once_and_keeps_it_once(
    tmp_path: Path, run: tuple[int, int]
) -> None:
    calls, kills = run
    points = Points(tmp_path)
    for number in range(kills):
        # The first of ten that are called at once: none of the others is in flight then.
        points.kill(f"look-{(number * calls + calls // 2) // kills // 10 * 10}")
    agent = sdk_agent("reader", durable=True, max_turns=None, max_deliveries=kills + 2)
    config = system(tmp_path, agent)
    config["supervision"]["max_restarts"] = kills + 2
    async with Runtime.from_config(config) as runtime:
        payload = {"input": str(calls)}
        reply = await runtime.ask("o", payload, conversation="c", timeout=None)
    assert reply.payload == {"output": f"{calls} found"}
    assert points.passed == [f"look-{number}" for number in range(calls)]
    assert kept_in(tmp_path) <= 1.2 * calls * len(result_of(0))


async def test_the_stream_of_a_durable_agent_goes_on_after_kill_9_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    points = Points(tmp_path)
    points.hold("inner-1")
    config = system(tmp_path, sdk_agent("clerk", durable=True))
    async with Runtime.from_config(config) as runtime:
        killing = asyncio.create_task(points.kill_at(runtime, "o", "inner-1"))
        stream = runtime.stream("o", {"input": "hi"}, timeout=60)
        chunks = [(each.type, each.payload) async for each in stream]
        await killing
    look = {"name": "look", "arguments": {}}
    expert = {"name": "expert", "arguments": {"input": "x"}}
    assert chunks == [
        ("step", {"name": "clerk"}),
        ("tool", look),
        ("tool", {**look, "result": "found"}),
        ("tool", expert),
        ("tool", {**expert, "result": "noted"}),
        ("token", {"text": "found noted"}),
        ("reply", {"output": "found noted"}),
    ]


@pytest.mark.promise(id="SEM-1044")
@pytest.mark.promise(id="SEM-1047")
async def test_tools_of_every_kind_and_what_they_did_to_the_context_outlive_kill_9(
    tmp_path: Path,
) -> None:
    points = Points(tmp_path)
    points.hold("look")
    config = system(tmp_path, sdk_agent("crafts", durable=True, context=f"{AGENTS}:Notes"))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}, timeout=60))
        await points.kill_at(runtime, "o", "look")
        reply = await asking
    assert reply.payload == {"output": "jotted 1"}
    assert sorted(points.passed[:3]) == ["jot", "patch", "shell"]
    assert points.passed[3:] == ["look", "look"]


async def test_an_approval_is_given_after_the_process_and_the_root_are_gone(
    tmp_path: Path,
) -> None:
    points = Points(tmp_path)
    config = system(tmp_path, sdk_agent("asking"))
    async with Runtime.from_config(config) as runtime:
        asked = await runtime.ask("o", {"input": "hi"}, timeout=60)
        await killed(runtime, "o")
        await running(runtime, 60)
    async with Runtime.from_config(config) as runtime:
        answer = {"id": asked.payload["interrupts"][0]["id"], "value": True}
        conversation = asked.conversation
        reply = await runtime.ask("o", answer, "resume", conversation=conversation, timeout=60)
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("o", answer, "resume", conversation=conversation, timeout=60)
    assert reply.payload == {"output": "found deleted"}
    assert points.passed == ["outer-0", "look", "outer-1", "delete", "outer-2"]


async def test_an_approval_in_hand_when_its_process_is_killed_is_not_lost(tmp_path: Path) -> None:
    points = Points(tmp_path)
    points.hold("outer-2")
    config = system(tmp_path, sdk_agent("asking", durable=True))
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c", timeout=60)
        asking = asyncio.create_task(
            runtime.ask("o", {"value": True}, "resume", conversation="c", timeout=60)
        )
        await points.kill_at(runtime, "o", "outer-2")
        reply = await asking
    assert reply.payload == {"output": "found deleted"}
    assert points.passed == ["outer-0", "look", "outer-1", "delete", "outer-2", "outer-2"]


async def test_a_conversation_goes_on_after_kill_9(tmp_path: Path) -> None:
    config = system(tmp_path, sdk_agent("clerk"))
    Points(tmp_path)
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c", timeout=60)
        await killed(runtime, "o")
        await running(runtime, 60)
        reply = await runtime.ask("o", {"input": "again"}, conversation="c", timeout=60)
    # The model has the results of the tools before it, and needs to call none.
    assert reply.payload == {"output": "found noted"}
