"""What travels with a message, and what an incarnation begins and ends with."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually


class Sees(AgentProcess):
    """Keeps the messages it gets."""

    def __init__(self, name: str, seen: list[Message], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.seen = seen

    async def handle(self, message: Message) -> Message:
        self.seen.append(message)
        return self.reply(message.payload)


class Fans(AgentProcess):
    """Sends in every way there is."""

    async def handle(self, message: Message) -> Message:
        given: dict[str, Any] = message.payload
        await self.send("sees", "send", **given)
        await self.ask("sees", "ask", **given)
        await self.broadcast("se*", "broadcast", **given)
        async for _ in self.stream("sees", "stream", **given):
            pass
        self.send_after(0.001, "sees", "later", **given)
        return self.reply(None)


@pytest.mark.promise(id="SEM-113")
@pytest.mark.parametrize(("given", "expected"), [({}, "c-1"), ({"conversation": "own"}, "own")])
async def test_the_conversation_follows_a_message_into_all_that_its_handler_sends(
    given: dict[str, str], expected: str
) -> None:
    seen: list[Message] = []
    async with Runtime(Supervisor("root", [Sees("sees", seen), Fans("fans")])) as runtime:
        reply = await runtime.ask("fans", given, conversation="c-1")
        await eventually(lambda: len(seen) == 5)
    assert reply.conversation == "c-1"
    assert {message.payload: message.conversation for message in seen} == dict.fromkeys(
        ["send", "ask", "broadcast", "stream", "later"], expected
    )


@pytest.mark.promise(id="SEM-112")
async def test_a_message_names_its_sender_and_one_from_outside_has_none() -> None:
    seen: list[Message] = []
    async with Runtime(Supervisor("root", [Sees("sees", seen), Fans("fans")])) as runtime:
        await runtime.send("sees", 1)
        await runtime.ask("sees", 1)
        await runtime.ask("fans", {})
        await eventually(lambda: len(seen) == 7)
    assert [message.sender for message in seen] == [None] * 2 + ["fans"] * 5
    assert all(message.recipient == "sees" for message in seen)
    assert all(abs(message.timestamp - time.time()) < 60 for message in seen)


@pytest.mark.promise(id="SEM-115")
async def test_only_an_ask_sets_a_deadline() -> None:
    seen: list[Message] = []
    async with Runtime(Supervisor("root", [Sees("sees", seen)])) as runtime:
        await runtime.send("sees", 1, timeout=5)
        await runtime.broadcast("sees", 1, timeout=5)
        await runtime.ask("sees", 1, timeout=None)
        await runtime.ask("sees", 1, timeout=5)
    *none, last = (message.deadline for message in seen)
    assert none == [None] * 3
    assert last is not None
    assert 0 < last - time.time() <= 5


@pytest.mark.promise(id="SEM-116")
@pytest.mark.promise(id="SEM-313")
async def test_every_further_start_of_a_handler_adds_one_to_the_attempt() -> None:
    attempts: list[int] = []

    class Fails(AgentProcess):
        async def handle(self, message: Message) -> Message:
            attempts.append(message.attempt)
            if message.attempt < 3:
                raise ValueError("not yet")
            return self.reply(message.attempt)

        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            return ErrorAction.RETRY

    fails = Fails("a", max_retries=1, delivery="at_least_once")
    async with Runtime(Supervisor("root", [fails], backoff="none")) as runtime:
        assert (await runtime.ask("a", 1)).payload == 3
    assert attempts == [0, 1, 2, 3]  # one retry in place, the next incarnation, one retry


@pytest.mark.promise(id="SEM-117")
async def test_the_state_is_restored_before_on_start() -> None:
    seen: list[Any] = []

    class Remembers(AgentProcess):
        async def on_start(self) -> None:
            seen.append(dict(self.state))

        async def handle(self, message: Message) -> None:
            self.state["n"] = message.payload
            await self.checkpoint()
            assert await self.store.get("a") == {"n": 7}  # durable when it returns
            self.state["n"] = 8
            raise ValueError("it crashes")

    store = InMemoryStateStore()
    root = Supervisor("root", [Remembers("a")], backoff="none")
    async with Runtime(root, state_store=store) as runtime:
        error = await error_of(runtime.ask("a", 7))
        assert getattr(error, "error_type", "") == "ValueError"
        await eventually(lambda: len(seen) == 2)
    assert seen == [{}, {"n": 7}]


@pytest.mark.promise(id="SEM-118")
async def test_on_stop_is_called_at_a_stop_and_after_a_crash_and_not_at_a_kill(
    journal: Journal,
) -> None:
    children = [Actor(name, journal, shutdown_timeout=t) for name, t in (("a", 30), ("k", 0))]
    async with Runtime(Supervisor("root", children, backoff="none")) as runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
        assert journal.count("stop a") == 1
        asking = asyncio.create_task(error_of(runtime.ask("k", 1, "hold")))
        await journal.until("hold k")
        await runtime.terminate_child("root", "k")
        assert isinstance(await asking, AgentTerminated)
    assert (journal.count("stop a"), journal.count("stop k")) == (2, 0)
