"""Streams whose reader and producer stand in different OS processes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from civitas.message import new_id
from tests.integration.wire.conftest import ROUTES, System, everywhere, letter, topology

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize(("here", "there"), ROUTES),
]

TOPOLOGY = topology(*everywhere("two"))

AHEAD = 100


def stream(to: str, message_type: str, payload: Any = None, **keys: Any) -> dict[str, Any]:
    return {"to": to, "payload": payload, "message_type": message_type, **keys}


@pytest.mark.promise(id="SEM-857")
async def test_a_stream_yields_every_chunk_in_order_and_the_reply_last(
    system: System, here: str, there: str
) -> None:
    read = await system.tell(f"{here}_one", "stream", stream(f"{there}_one", "emit", 500))
    assert read == [*(["chunk", number] for number in range(500)), ["reply", "done"]]


@pytest.mark.promise(id="SEM-857")
async def test_a_failure_comes_after_the_chunks(system: System, here: str, there: str) -> None:
    read = await system.tell(f"{here}_one", "stream", stream(f"{there}_one", "emit_crash", 3))
    assert read == [["chunk", 0], ["chunk", 1], ["chunk", 2], ["error", "HandlerFailed"]]


@pytest.mark.promise(id="SEM-857")
async def test_a_slow_reader_slows_the_producer(system: System, here: str, there: str) -> None:
    gate, producer = new_id(), f"{there}_one"
    before = len(await system.journal(producer))
    order = {"to": producer, "gate": gate}
    reading = asyncio.create_task(system.tell(f"{here}_one", "hold_stream", order))
    await system.wrote(f"{here}_one", "reads")
    emitted = 0
    async with asyncio.timeout(5):
        while emitted < AHEAD:  # until it is as far ahead as it may
            emitted = len(await system.journal(producer)) - before
    for _ in range(20):
        await system.ask(f"{here}_two", f"{there}_two")  # time for more, were there any
    emitted = len(await system.journal(producer)) - before
    # The reader tells what it took ten at a time, so the producer may know of fewer than it took.
    assert AHEAD - 10 < emitted <= AHEAD + 1
    await system.open(here, gate)
    assert await reading == "left"
    await system.wrote(producer, "left", (await system.journal(producer)).count("left"))


@pytest.mark.promise(id="SEM-857")
async def test_a_reader_that_leaves_cancels_the_producer_and_the_agent_lives(
    system: System, here: str, there: str
) -> None:
    producer = f"{there}_two"
    left = (await system.journal(producer)).count("left")
    read = await system.tell(f"{here}_one", "stream", stream(producer, "emit_on", take=3))
    assert read == [["chunk", 0], ["chunk", 1], ["chunk", 2]]
    await system.wrote(producer, "left", left + 1)
    assert (await system.ask(f"{here}_one", producer, "lives"))["payload"] == "lives"
    assert system.find(producer)["restarts"] == 0


@pytest.mark.promise(id="SEM-857")
async def test_a_stream_that_is_left_before_its_turn_is_never_handled(
    system: System, here: str, there: str
) -> None:
    producer, gate = f"{there}_two", new_id()
    held = (await system.journal(producer)).count("hold")
    holding = asyncio.create_task(system.ask(f"{here}_one", producer, gate, "hold"))
    await system.wrote(producer, "hold", held + 1)
    letters = system.told("dead_letter")
    if here == "r":
        reader = system.runtime.stream(producer, "withdrawn", "note")
        task = asyncio.ensure_future(anext(reader))
        await system.runtime.ask(
            f"{there}_one", None, "echo"
        )  # it went behind, so the other is there
        task.cancel()
        await asyncio.wait({task})
        await reader.aclose()
        await letter(letters, "no_reader", "'note'")
    else:
        order = stream(producer, "note", "withdrawn", timeout=0.05)
        read = await system.tell(f"{here}_two", "stream", order)
        assert read == [["error", "AskTimeout"]]
    await system.open(there, gate)
    await holding
    assert "withdrawn" not in await system.journal(producer)


async def test_the_outside_reads_a_stream_of_any_process(
    system: System, here: str, there: str
) -> None:
    async with aclosing(system.runtime.stream(f"{there}_one", 3, "emit")) as reader:
        assert [each.payload async for each in reader] == [0, 1, 2, "done"]


async def test_emit_has_no_effect_under_ask(system: System, here: str, there: str) -> None:
    found = await system.ask(f"{here}_one", f"{there}_one", 300, "emit")
    assert found["payload"] == "done"


async def test_a_stream_nobody_answers_in_time_is_a_timeout(
    system: System, here: str, there: str
) -> None:
    order = stream(f"{there}_one", "hold", new_id(), timeout=0.05)
    gate = order["payload"]
    assert await system.tell(f"{here}_one", "stream", order) == [["error", "AskTimeout"]]
    await system.open(there, gate)
