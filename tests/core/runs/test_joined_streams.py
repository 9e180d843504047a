"""Readers who join the stream of a run by its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from civitas.errors import MailboxFull
from civitas.message import Message
from civitas.node import streams
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.support import eventually


class Emits(AgentProcess):
    """Emits as many numbers as it is told, the second half when it may; then it answers."""

    def __init__(self, name: str, go: asyncio.Event, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.go = go

    async def handle(self, message: Message) -> Message:
        for number in range(message.payload):
            if number == message.payload // 2:
                await self.go.wait()
            await self.emit(number)
        return self.reply("over")


class Reads(AgentProcess):
    """Reads a stream by the name of its run, and answers with all of it."""

    async def handle(self, message: Message) -> Message:
        stream = self.stream("a", message.payload, run="r")
        return self.reply([each.payload async for each in stream])


@pytest.fixture
def go() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture(params=["root", "a worker"])
async def runtime(request: pytest.FixtureRequest, go: asyncio.Event) -> AsyncIterator[Runtime]:
    """One whose agent `a` is durable; `near` reads in the root, and `far` in a worker if there is one."""
    durable: dict[str, Any] = {"go": go, "delivery": "durable"}
    near = Reads("near")
    if request.param == "root":
        async with Runtime(Supervisor("root", [Emits("a", **durable), near, Reads("far")])) as made:
            yield made
        return

    def there(name: str, **keywords: Any) -> AgentProcess:
        return Emits(name, **keywords) if name == "a" else Reads(name)

    agents: Any = {"w": {"a": there}, "v": {"far": there}}
    async with Nodes(MemoryNetwork().transport, agents, near, keywords=durable) as nodes:
        yield nodes.runtime


async def read(runtime: Runtime, number: int) -> list[Any]:
    return [each.payload async for each in runtime.stream("a", number, run="r")]


@pytest.mark.promise(id="SEM-1654")
async def test_a_reader_who_joins_by_the_name_of_a_run_reads_it_from_its_beginning(runtime, go):
    first = runtime.stream("a", 300, run="r")
    begun = [(await anext(first)).payload for _ in range(100)]
    joined = [
        asyncio.create_task(read(runtime, 300)),
        asyncio.create_task(runtime.ask("near", 300)),
        asyncio.create_task(runtime.ask("far", 300)),
    ]
    await eventually(lambda: len(runtime._node.streams) == 4)
    go.set()
    begun += [each.payload async for each in first]
    found = [await each for each in joined]
    whole = [*range(300), "over"]
    assert [each if isinstance(each, list) else each.payload for each in found] == [whole] * 3
    assert begun == whole
    assert await read(runtime, 300) == ["over"]
    assert not runtime._node.streams


@pytest.mark.promise(id="SEM-1654")
@pytest.mark.parametrize("by", ["near", "far"])
async def test_whoever_joins_reads_all_though_the_first_reader_has_left(runtime, go, by):
    async with aclosing(runtime.stream("a", 250, run="r")) as first:
        async for chunk in first:
            if chunk.payload == 10:
                break
    joined = asyncio.create_task(runtime.ask(by, 250))
    await eventually(lambda: len(runtime._node.streams) == 2)
    go.set()
    assert (await joined).payload == [*range(250), "over"]
    assert not runtime._node.streams


@pytest.mark.promise(id="SEM-1654")
async def test_of_a_run_that_emitted_too_much_whoever_joins_reads_the_answer_alone(
    runtime, go, monkeypatch
):
    monkeypatch.setattr(streams, "_KEPT", 20)
    first = runtime.stream("a", 60, run="r")
    begun = [(await anext(first)).payload for _ in range(30)]
    joined = asyncio.create_task(read(runtime, 60))
    await eventually(lambda: len(runtime._node.streams) == 2)
    go.set()
    begun += [each.payload async for each in first]
    assert (begun, await joined) == ([*range(60), "over"], ["over"])


async def test_nothing_is_kept_of_a_stream_that_was_not_accepted(go):
    agent = Emits("a", go, delivery="durable", mailbox_size=1, shutdown_timeout=0)
    async with Runtime(Supervisor("root", [agent]), drain_timeout=0) as runtime:
        for _ in range(2):
            await runtime.send("a", 2)
        with pytest.raises(MailboxFull):
            await anext(runtime.stream("a", 2, run="r", timeout=0.01))
        assert not runtime._node.streams
