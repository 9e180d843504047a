"""One agent of a running system, looked into."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.errors import HandlerFailed
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes


async def deep_inside() -> None:
    await asyncio.Event().wait()


class Worker(AgentProcess):
    async def handle(self, message: Message) -> Message | None:
        self.state["seen"] = message.payload
        if message.payload == "hold":
            await asyncio.gather(asyncio.create_task(deep_inside()))
        raise ValueError(f"no {message.payload}")


class Plain(AgentProcess):
    """Its handler runs in a thread."""

    there = threading.Event()
    may_go = threading.Event()

    def handle(self, message: Message) -> None:  # type: ignore[override]
        self.there.set()
        self.may_go.wait()


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    children = [Worker("a", shutdown_timeout=0), Plain("plain")]
    tree = Supervisor("top", children, backoff="none", max_restarts=1000)
    async with Runtime(tree, drain_timeout=0) as runtime:
        yield runtime


async def turns() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-1765")
async def test_the_stack_goes_through_the_tasks_that_a_handler_awaits(runtime: Runtime) -> None:
    await runtime.send("a", "hold", conversation="c")
    await runtime.send("a", "next")
    await turns()
    found = await runtime.inspect("a")
    functions = [each["function"] for each in found["stack"]]
    assert functions.index("Worker.handle") < functions.index("deep_inside")
    assert found["stack"][functions.index("deep_inside")]["code"] == "await asyncio.Event().wait()"
    assert found["state"] == {"seen": "hold"}
    assert found["conversations"] == ["c"]
    assert [each["type"] for each in found["queue"]] == ["message"]


@pytest.mark.promise(id="SEM-1765")
async def test_the_last_20_errors_are_kept_with_their_tracebacks(runtime: Runtime) -> None:
    for number in range(22):
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", number)
    errors = (await runtime.inspect("a"))["errors"]
    assert [each["error"] for each in errors] == [f"ValueError: no {n}" for n in range(2, 22)]
    assert 'raise ValueError(f"no {message.payload}")' in errors[-1]["traceback"]


async def test_the_stack_of_a_thread_that_runs_a_handler_is_there(runtime: Runtime) -> None:
    Plain.there.clear()
    Plain.may_go.clear()
    try:
        await runtime.send("plain", 1)
        await asyncio.to_thread(Plain.there.wait, 5)
        (thread,) = (await runtime.inspect("plain"))["threads"]
    finally:
        Plain.may_go.set()
    assert "self.may_go.wait()" in [each["code"] for each in thread]


@pytest.mark.promise(id="SEM-1765")
async def test_an_agent_of_another_process_is_looked_into() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Worker}}) as nodes:
        await nodes.runtime.send("far", "hold")
        await turns()
        found = await nodes.runtime.inspect("far")
        assert "deep_inside" in [each["function"] for each in found["stack"]]
        assert found["node"] == "w"
        await nodes.lose("w")  # what it holds is not waited for
