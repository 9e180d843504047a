"""Agents of Pydantic AI in OS processes that are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime
from tests.deep import further
from tests.integration.adapters.points import Points, system

AGENT: dict[str, Any] = {
    "name": "a",
    "wrap": "tests.integration.adapters.pydantic_agents:clerk",
    "process": "w",
    "durable": True,
}
BEFORE, BEHIND = ["model-0", "look", "model-1"], ["delete", "model-2"]


@pytest.mark.promise(id="SEM-1865")
@pytest.mark.promise(id="SEM-1864")
@pytest.mark.parametrize("where", [("model-1", "model-2"), *further(("look", "delete"))])
async def test_a_durable_run_goes_on_after_kill_9_and_its_answer_outlives_the_program(
    tmp_path: Path, where: tuple[str, str]
) -> None:
    """It is killed before it asks, the program ends while it waits, and it is killed behind the answer."""
    points = Points(tmp_path)
    config = system(tmp_path, AGENT)
    points.hold(where[0])
    async with Runtime.from_config(config) as runtime:
        killing = asyncio.create_task(points.kill_at(runtime, "a", where[0]))
        stream = runtime.stream("a", {"input": "hi"}, conversation="c", timeout=60)
        chunks = [(each.type, each.payload) async for each in stream]
        await killing
    look = {"name": "look", "arguments": {}}
    question = {"id": "c1", "value": {"name": "delete", "arguments": {}}}
    assert chunks == [
        ("step", {"name": "a"}),
        ("tool", look),
        ("tool", {**look, "result": "found"}),
        ("interrupt", {"interrupts": [question]}),
    ]
    points.hold(where[1])
    async with Runtime.from_config(config) as runtime:
        answer = runtime.ask("a", {"value": True}, "resume", conversation="c", timeout=60)
        asking = asyncio.create_task(answer)
        await points.kill_at(runtime, "a", where[1])
        reply = await asking
    assert reply.payload == {"output": "found deleted"}
    expected = [*BEFORE, *BEHIND]
    for each in where:
        expected.insert(expected.index(each), each)
    assert points.passed == expected
