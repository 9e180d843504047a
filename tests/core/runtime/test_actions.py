"""What somebody does to a running system by hand: pause and resume, and who is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from civitas import AgentProcess, ConversationPool, Event, Message, Runtime, Supervisor
from civitas.errors import HandlerFailed, SupervisionError
from civitas.node.acting import acting_as
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.support import eventually


class Echo(AgentProcess):
    async def handle(self, message: Message) -> Message | None:
        if message.payload == "crash":
            raise ValueError("too hot")
        return self.reply(message.payload)


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    crew = Supervisor("crew", [Echo("a"), Echo("b")], backoff="none")
    tree = Supervisor("top", [crew, ConversationPool("talks", Echo("talks"))])
    async with Runtime(tree, drain_timeout=5) as runtime:
        yield runtime


async def asked(
    runtime: Runtime, name: str, conversation: str | None = None
) -> asyncio.Task[Message]:
    """An ask that has arrived."""
    asking = asyncio.create_task(runtime.ask(name, 1, conversation=conversation))
    for _ in range(20):
        await asyncio.sleep(0)
    return asking


@pytest.mark.promise(id="SEM-1763")
async def test_a_paused_agent_takes_no_messages_until_it_may_go_on(runtime: Runtime) -> None:
    await runtime.pause("a")
    asking = await asked(runtime, "a")
    assert not asking.done()
    tree = runtime.tree()["children"][0]["children"]
    assert [each.get("paused") for each in tree] == [True, None]
    assert (await runtime.ask("b", 2)).payload == 2
    await runtime.resume("a")
    assert (await asking).payload == 1


async def test_an_agent_that_was_restarted_is_still_paused(runtime: Runtime) -> None:
    await runtime.pause("a")
    await runtime.restart("a")
    asking = await asked(runtime, "a")
    assert not asking.done()
    await runtime.resume("a")
    await asking


async def test_all_below_a_supervisor_are_paused_and_go_on(runtime: Runtime) -> None:
    await runtime.pause("crew")
    asking = [await asked(runtime, name) for name in ("a", "b")]
    assert not any(each.done() for each in asking)
    await runtime.resume("crew")
    await asyncio.gather(*asking)


async def test_the_conversations_to_come_of_a_paused_pool_wait_too(runtime: Runtime) -> None:
    await runtime.ask("talks", 1, conversation="old")
    await runtime.pause("talks")
    asking = [await asked(runtime, "talks", each) for each in ("old", "new")]
    assert not any(each.done() for each in asking)
    await runtime.resume("talks")
    await asyncio.gather(*asking)


async def test_a_stop_does_not_wait_for_what_a_paused_agent_has_not_taken(runtime: Runtime) -> None:
    await runtime.pause("a")
    await runtime.send("a", 1)
    async with asyncio.timeout(2):
        await runtime.stop()


@pytest.mark.promise(id="SEM-1763")
async def test_an_agent_of_another_process_is_paused_also_when_it_was_started_again() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Echo}}) as nodes:
        runtime = nodes.runtime
        await runtime.pause("far")
        await runtime.restart("far")
        asking = await asked(runtime, "far")
        assert not asking.done()
        await runtime.resume("far")
        assert (await asking).payload == 1
        with pytest.raises(HandlerFailed):
            await runtime.ask("far", "crash")


async def test_a_conversation_of_another_process_is_paused() -> None:
    pool = ConversationPool("support", Echo("support"))
    async with Nodes(MemoryNetwork().transport, {"w": {"support": pool}}) as nodes:
        runtime = nodes.runtime
        await runtime.ask("support", 1, conversation="c")

        def awake() -> bool:
            return bool(runtime.tree()["children"][0]["children"])

        await eventually(awake)
        await runtime.pause("support/c")
        asking = await asked(runtime, "support", "c")
        assert not asking.done()
        assert (await runtime.ask("support", 1, conversation="d")).payload == 1
        await runtime.resume("support/c")
        await asking


@pytest.mark.promise(id="SEM-1764")
async def test_who_did_what_to_whom_is_an_event_and_is_logged(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []
    runtime.on("acted", events.append)
    caplog.set_level("INFO", "civitas.actions")
    with acting_as("alice@desk (civitas top)"):
        await runtime.restart("a")
    await runtime.terminate_child("crew", "b")
    await runtime.restart_child("crew", "b")
    await runtime.pause("a")
    await runtime.resume("a")
    told = [(each.reason, each.name) for each in events]
    assert told == [
        ("restart", "a"),
        ("stop", "b"),
        ("start", "b"),
        ("pause", "a"),
        ("resume", "a"),
    ]
    assert events[0].message == "restart of 'a' by alice@desk (civitas top)"
    assert events[1].message == "stop of 'b' by the program"
    assert [each.message for each in caplog.records] == [each.message for each in events]


async def test_what_is_refused_is_no_action(runtime: Runtime) -> None:
    events: list[Event] = []
    runtime.on("acted", events.append)
    with pytest.raises(SupervisionError):
        await runtime.pause("nobody")
    with pytest.raises(SupervisionError):
        await runtime.restart("nobody")
    assert events == []
