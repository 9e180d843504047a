"""Agents that are killed, and the steps of messages that are given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import AskTimeout, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess, Cell, ErrorAction
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from tests.core.support import Actor, Decider, Journal, error_of, eventually, told


def together(*agents: AgentProcess, **keywords: Any) -> Runtime:
    spec = Supervisor("root", list(agents), backoff="none", max_restarts=10)
    return Runtime(spec, **{"drain_timeout": 5, **keywords})


# Kills.


async def test_a_killed_handler_that_raises_another_error_leaves_the_mailbox_alone(
    journal: Journal,
) -> None:
    class Wraps(Actor):
        async def handle(self, message: Message) -> Message | None:
            try:
                return await super().handle(message)
            except asyncio.CancelledError:
                raise ConnectionError("the request was interrupted") from None

    async with together(Wraps("a", journal, shutdown_timeout=0)) as runtime:
        holding = asyncio.create_task(error_of(runtime.ask("a", 1, "hold")))
        await journal.until("hold a")
        waiting = asyncio.create_task(runtime.ask("a", "kept"))
        await asyncio.sleep(0)
        await runtime.restart("a")
        assert (await waiting).payload == "kept"
        assert not isinstance(await holding, HandlerFailed)


@pytest.mark.promise(id="SEM-313")
async def test_a_kill_counts_as_a_delivery(journal: Journal) -> None:
    agent = Actor("a", journal, delivery="at_least_once", max_deliveries=2, shutdown_timeout=0)
    async with together(agent) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        asking = asyncio.create_task(error_of(runtime.ask("a", 1, "hold")))
        for times in (1, 2):
            await journal.until("hold a", times)
            await runtime.restart("a")
        assert isinstance(await asking, HandlerFailed)
        assert letters == ["max_deliveries"]
        assert (await runtime.ask("a", 2)).payload == 2


@pytest.mark.promise(id="SEM-416")
async def test_who_is_left_behind_is_down_for_its_monitors_and_changes_nothing_more(
    journal: Journal,
) -> None:
    let_go = asyncio.Event()

    class Stubborn(Actor):
        async def handle(self, message: Message) -> Message | None:
            if message.type != "dig in":
                return await super().handle(message)
            self.journal.write("in")
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    self.journal.write("ignored")
            self.journal.write("out")
            return self.reply("too late")

    class Watches(AgentProcess):
        async def handle(self, message: Message) -> Message | None:
            if message.type == "civitas.down":
                journal.write(f"down: {message.payload['reason']}")
                return None
            return self.reply(await self.monitor(message.payload))

    stubborn = Stubborn("a", journal, shutdown_timeout=0)
    async with together(stubborn, Watches("w")) as runtime:
        events = told(runtime)
        await runtime.ask("w", "a")
        asking = asyncio.create_task(error_of(runtime.ask("a", 1, "dig in")))
        await journal.until("in")
        await runtime.restart("a")
        await journal.until("down: killed")
        assert (await runtime.ask("a", 2)).payload == 2
        assert "it was stopped" in str(await asking)
        let_go.set()
        await journal.until("out")
        assert (await runtime.ask("a", 3)).payload == 3
        assert events == [("restarted", "a")]


# Steps.


@pytest.mark.promise(id="SEM-315")
@pytest.mark.parametrize("action", [ErrorAction.SKIP, ErrorAction.STOP])
async def test_the_steps_of_a_redelivered_message_that_is_given_up_are_dropped(
    journal: Journal, action: ErrorAction
) -> None:
    class Steps(Decider):
        async def handle(self, message: Message) -> Message | None:
            await self.step("once", lambda: 1)
            raise ValueError("no")

        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            return self.action if message.attempt else ErrorAction.ESCALATE

    store = InMemoryStateStore()
    agent = Steps("a", journal, action, delivery="at_least_once")
    async with together(agent, state_store=store) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 1)), HandlerFailed)
    assert await store.keys() == []


@pytest.mark.promise(id="SEM-315")
async def test_the_steps_of_a_redelivered_message_that_expires_are_dropped(
    journal: Journal,
) -> None:
    class Steps(Actor):
        async def handle(self, message: Message) -> Message | None:
            if message.type != "step":
                return await super().handle(message)
            await self.step("once", lambda: 1)
            await asyncio.sleep(max(0.0, (message.deadline or 0) - message.timestamp))
            raise ValueError("no")

    store = InMemoryStateStore()
    agent = Steps("a", journal, delivery="at_least_once")
    async with together(agent, state_store=store) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 1, "step", timeout=0.03)), AskTimeout)
        assert (await runtime.ask("a", 1)).payload == 1
    assert await store.keys() == []


async def test_a_store_that_cannot_drop_steps_does_not_end_the_agent(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class Sticky(InMemoryStateStore):
        async def delete(self, key: str) -> None:
            raise OSError("read only")

    class Steps(Actor):
        async def handle(self, message: Message) -> Message | None:
            return self.reply(await self.step("once", lambda: 1))

    async with together(Steps("a", journal), state_store=Sticky()) as runtime:
        assert (await runtime.ask("a", 1)).payload == 1
        assert (await runtime.ask("a", 1)).payload == 1
    assert journal.count("start a") == 1
    assert "were not dropped" in caplog.text


async def test_a_message_that_others_were_given_is_counted_on_behind_one_that_is_finished() -> None:
    """It killed its process twice; that another one was handled meanwhile does not make it new."""

    class Fragile(AgentProcess):
        async def handle(self, message: Message) -> None:
            if message.type == "crash":
                raise ValueError("again")

    agent = Fragile("a", delivery="at_least_once", max_deliveries=3)
    async with Runtime(Supervisor("root", [agent], backoff="none")) as runtime:
        letters = told(runtime, "dead_letter")
        cell = runtime._node.registry["a"]
        assert isinstance(cell, Cell)
        bad = Message(type="crash", recipient="a")
        cell.was_given(bad.id, 2)
        cell.mailbox.push(Message(type="fine", recipient="a"))
        cell.mailbox.push(bad)
        await eventually(lambda: letters)
        await eventually(lambda: cell.restarts)
        assert cell.restarts == 1
