"""Streams, monitors, timers and steps."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from civitas.errors import ConfigurationError, HandlerFailed, PayloadError
from civitas.message import Message
from civitas.node.streams import AHEAD
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually


def together(*agents: AgentProcess, **keywords: Any) -> Runtime:
    spec = Supervisor("root", list(agents), backoff="none", max_restarts=10)
    return Runtime(spec, **{"drain_timeout": 5, **keywords})


class Counts(AgentProcess):
    """Emits the numbers up to its payload, then replies `done`."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__(name)
        self.journal = journal

    async def handle(self, message: Message) -> Message:
        try:
            for n in range(message.payload):
                await self.emit(n)
                self.journal.write("emitted")
            if message.type == "crash":
                raise ValueError("in the middle")
        except asyncio.CancelledError:
            self.journal.write("cancelled")
            raise
        return self.reply("done")


# Streams.


@pytest.mark.promise(id="SEM-217")
async def test_a_stream_yields_every_chunk_in_order_and_the_reply_last(journal: Journal) -> None:
    async with together(Counts("a", journal)) as runtime:
        seen = [(m.type, m.payload, m.sender) async for m in runtime.stream("a", 3)]
        assert seen == [
            ("chunk", 0, "a"),
            ("chunk", 1, "a"),
            ("chunk", 2, "a"),
            ("reply", "done", "a"),
        ]


@pytest.mark.promise(id="SEM-120")
async def test_emit_has_no_effect_under_ask_and_send(journal: Journal) -> None:
    async with together(Counts("a", journal)) as runtime:
        await runtime.send("a", 3)
        assert (await runtime.ask("a", 2 * AHEAD)).payload == "done"


@pytest.mark.promise(id="SEM-217")
async def test_an_agent_can_stream_from_another(journal: Journal) -> None:
    class Reads(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply([m.payload async for m in self.stream("a", 2)])

    async with together(Counts("a", journal), Reads("reads")) as runtime:
        assert (await runtime.ask("reads", 1)).payload == [0, 1, "done"]


@pytest.mark.promise(id="SEM-218")
async def test_a_failure_comes_out_of_the_stream_after_its_chunks(journal: Journal) -> None:
    async with together(Counts("a", journal)) as runtime:
        messages = runtime.stream("a", 2, "crash")
        assert [(await anext(messages)).payload for _ in range(2)] == [0, 1]
        with pytest.raises(HandlerFailed, match="in the middle"):
            await anext(messages)


@pytest.mark.promise(id="SEM-219")
async def test_a_slow_reader_slows_the_producer(journal: Journal) -> None:
    async with (
        together(Counts("a", journal)) as runtime,
        aclosing(runtime.stream("a", 10 * AHEAD)) as messages,
    ):
        await anext(messages)
        await journal.until("emitted", AHEAD)
        for _ in range(100):
            await asyncio.sleep(0)
        assert journal.count("emitted") <= AHEAD + 1 == 101
        assert len([m async for m in messages]) == 10 * AHEAD


@pytest.mark.promise(id="SEM-220")
async def test_a_reader_that_leaves_cancels_the_producer_and_the_agent_lives(
    journal: Journal,
) -> None:
    async with together(Counts("a", journal)) as runtime:
        async with aclosing(runtime.stream("a", 10 * AHEAD)) as messages:
            await anext(messages)
        await journal.until("cancelled")
        assert (await runtime.ask("a", 1)).payload == "done"


@pytest.mark.promise(id="SEM-220")
@pytest.mark.promise(id="SEM-327")
async def test_a_stream_that_is_left_before_its_turn_is_never_handled(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with together(actor) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        holding = asyncio.create_task(runtime.ask("a", 0, "hold"))
        await journal.until("hold a")
        messages = runtime.stream("a", 1)
        reading = asyncio.ensure_future(anext(messages))
        await eventually(lambda: len(actor._civitas_incarnation.mailbox) == 1)  # type: ignore[union-attr]
        reading.cancel()
        await asyncio.wait({reading})
        await messages.aclose()
        actor.release.set()
        await holding
        assert (await runtime.ask("a", None, "handled")).payload == [0]
        assert letters == ["no_reader"]


async def test_a_reader_that_leaves_after_the_failure_leaves_no_error_behind(
    journal: Journal,
) -> None:
    async with together(Counts("a", journal)) as runtime:
        messages = runtime.stream("a", 2, "crash")
        await anext(messages)
        await journal.until("emitted", 2)
        await asyncio.sleep(0)
        await messages.aclose()


@pytest.mark.promise(id="SEM-218")
async def test_a_stream_nobody_answers_in_time_is_a_timeout(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with together(actor) as runtime:
        with pytest.raises(TimeoutError):
            async for _ in runtime.stream("a", 1, "hold", timeout=0.02):
                pass
        actor.release.set()


# Monitors.


class Watches(AgentProcess):
    """Watches whom it is told to, and keeps what it hears."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__(name)
        self.journal = journal
        self.heard: list[dict[str, Any]] = []

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "watch":
                return self.reply(await self.monitor(message.payload))
            case "unwatch":
                await self.demonitor(message.payload)
                return self.reply(None)
            case "civitas.down":
                assert message.sender is None
                self.heard.append(message.payload)
                self.journal.write("down")
        return self.reply(self.heard)


@pytest.mark.promise(id="SEM-318")
@pytest.mark.promise(id="SEM-428")
async def test_a_monitor_tells_once_of_a_crash_that_is_followed_by_a_restart(
    journal: Journal,
) -> None:
    async with together(Watches("w", journal), Actor("a", journal)) as runtime:
        ref = (await runtime.ask("w", "a", "watch")).payload
        await crash(runtime, "a")
        await journal.until("down")
        await journal.until("start a", 2)
        await crash(runtime, "a")
        await journal.until("start a", 3)
        assert (await runtime.ask("w", None)).payload == [
            {"ref": ref, "name": "a", "reason": "crashed", "error": "ValueError: a crashes"}
        ]


@pytest.mark.promise(id="SEM-319")
@pytest.mark.parametrize("name", ["nobody", "gone"])
async def test_a_monitor_on_who_is_not_there_tells_at_once(journal: Journal, name: str) -> None:
    gone = Actor("gone", journal, restart="transient")
    async with together(Watches("w", journal), gone) as runtime:
        await runtime.ask("gone", 1, "stop")
        await journal.until("stop gone")
        await eventually(lambda: not runtime._node.registry["gone"].alive)
        await runtime.ask("w", name, "watch")
        await journal.until("down")
        heard = (await runtime.ask("w", None)).payload
        assert [(down["name"], down["reason"], down["error"]) for down in heard] == [
            (name, "noproc", None)
        ]


@pytest.mark.promise(id="SEM-119")
@pytest.mark.promise(id="SEM-318")
@pytest.mark.promise(id="SEM-428")
async def test_a_normal_end_is_told_with_reason_normal(journal: Journal) -> None:
    async with together(Watches("w", journal), Actor("a", journal)) as runtime:
        await runtime.ask("w", "a", "watch")
        await runtime.ask("a", 1, "stop")
        await journal.until("down")
        assert (await runtime.ask("w", None)).payload[0]["reason"] == "normal"


@pytest.mark.promise(id="SEM-319")
async def test_a_monitor_that_was_ended_tells_nothing(journal: Journal) -> None:
    async with together(Watches("w", journal), Actor("a", journal)) as runtime:
        ref = (await runtime.ask("w", "a", "watch")).payload
        await runtime.ask("w", ref, "unwatch")
        await crash(runtime, "a")
        await journal.until("start a", 2)
        assert (await runtime.ask("w", None)).payload == []


# Timers.


class Later(Actor):
    """Sends itself and others messages later."""

    async def handle(self, message: Message) -> Message | None:
        if message.type == "later":
            delay, to = message.payload
            self.timer = self.send_after(delay, to, "late", "late")
            return self.reply(None)
        if message.type == "cancel":
            self.timer.cancel()
            return self.reply(None)
        if message.type == "late":
            self.journal.write(f"late from {message.sender} in {message.conversation}")
        return await super().handle(message)


@pytest.mark.promise(id="SEM-108")
async def test_send_after_sends_when_the_time_has_come(journal: Journal) -> None:
    async with together(Later("a", journal)) as runtime:
        await runtime.ask("a", [0.01, "a"], "later", conversation="c")
        await journal.until("late from a in c")


@pytest.mark.promise(id="SEM-108")
@pytest.mark.parametrize("how", ["cancel", "crash"])
async def test_a_timer_ends_with_cancel_and_with_its_process(journal: Journal, how: str) -> None:
    async with together(Later("a", journal)) as runtime:
        await runtime.ask("a", [0.03, "a"], "later")
        await error_of(runtime.ask("a", 0, "crash")) if how == "crash" else await runtime.ask(
            "a", 0, "cancel"
        )
        await runtime.ask("a", [0.06, "a"], "later")
        await journal.until("late from a in None")
        assert journal.count("late from a in None") == 1


@pytest.mark.promise(id="SEM-326")
async def test_a_late_message_to_nobody_is_a_dead_letter(journal: Journal) -> None:
    async with together(Later("a", journal)) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        await runtime.ask("a", [0, "nobody"], "later")
        await eventually(lambda: letters == ["unknown"])


@pytest.mark.promise(id="SEM-103")
async def test_what_cannot_be_sent_later_is_refused_now(journal: Journal) -> None:
    class Wrong(AgentProcess):
        async def handle(self, message: Message) -> None:
            self.send_after(1, "a", object())

    async with together(Wrong("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == PayloadError.__name__


# Steps.


class Pays(AgentProcess):
    """Pays once, then crashes once."""

    def __init__(self, name: str, bills: list[str], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.bills = bills

    async def pay(self, amount: int) -> dict[str, int]:
        self.bills.append(self.idempotency_key("pay"))
        return {"paid": amount}

    async def handle(self, message: Message) -> Message:
        assert self.idempotency_key("pay") == f"{message.id}:pay"  # at each delivery
        receipt = await self.step("pay", self.pay, message.payload)
        note = await self.step("note", lambda: ("sync", 1))
        if message.attempt == 0:
            raise ValueError("after paying")
        return self.reply([receipt, note])


@pytest.mark.promise(id="SEM-314")
@pytest.mark.promise(id="SEM-316")
async def test_a_step_of_a_redelivered_message_is_not_done_again() -> None:
    bills: list[str] = []
    store = InMemoryStateStore()
    async with together(Pays("a", bills, delivery="at_least_once"), state_store=store) as runtime:
        reply = await runtime.ask("a", 5)
        assert reply.payload == [{"paid": 5}, ["sync", 1]]
        assert bills == [f"{reply.correlation_id}:pay"]
    assert await store.keys() == []


@pytest.mark.promise(id="SEM-315")
async def test_the_steps_of_a_message_that_is_lost_are_dropped() -> None:
    store = InMemoryStateStore()
    async with together(Pays("a", []), state_store=store) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 5)), HandlerFailed)
    assert await store.keys() == []


@pytest.mark.promise(id="SEM-125")
async def test_steps_and_replies_belong_into_a_handler(journal: Journal) -> None:
    class Early(Actor):
        async def on_start(self) -> None:
            with pytest.raises(ConfigurationError, match="was not handling a message"):
                await self.step("key", print)
            with pytest.raises(ConfigurationError, match="was not handling a message"):
                self.reply(1)
            await super().on_start()

    async with together(Early("a", journal)):
        assert journal == ["start a"]
