"""One agent: its callbacks, its errors, its deliveries."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    HandlerFailed,
    NoReply,
)
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction, current_agent, current_message
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Decider, Journal, crash, error_of, eventually, status


def alone(agent: AgentProcess, **keywords: Any) -> Runtime:
    return Runtime(
        Supervisor("root", [agent], backoff="none", max_restarts=10),
        **{"drain_timeout": 5, **keywords},
    )


@pytest.mark.promise(id="SEM-101")
async def test_the_handler_gets_one_message_at_a_time_in_the_order_sent(journal: Journal) -> None:
    async with alone(Actor("a", journal)) as runtime:
        for n in range(100):
            await runtime.send("a", n)
        assert (await runtime.ask("a", None, "handled")).payload == list(range(100))


async def test_the_first_incarnation_is_the_instance_that_was_given(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with alone(actor) as runtime:
        await runtime.ask("a", 1)
        assert actor.handled == [1]


@pytest.mark.promise(id="SEM-204")
async def test_the_asker_of_a_handler_that_raised_gets_the_original_error_at_once(
    journal: Journal,
) -> None:
    async with alone(Actor("a", journal)) as runtime:
        error = await crash(runtime, "a")
        assert isinstance(error, HandlerFailed)
        assert (error.agent, error.error_type, error.error_message) == (
            "a",
            "ValueError",
            "a crashes",
        )
        assert 'raise ValueError(f"{self.name} crashes")' in error.remote_traceback


async def test_the_traceback_of_a_crash_begins_in_the_code_of_the_agent(journal: Journal) -> None:
    async with alone(Actor("a", journal)) as runtime:
        error = await crash(runtime, "a")
        assert isinstance(error, HandlerFailed)
        first = error.remote_traceback.splitlines()[1]
        assert first.endswith("in handle")


@pytest.mark.promise(id="SEM-205")
@pytest.mark.promise(id="SEM-310")
async def test_asks_that_stood_in_the_mailbox_of_a_crashed_agent_get_its_error_too(
    journal: Journal,
) -> None:
    actor = Actor("a", journal)
    async with alone(actor) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        holding = asyncio.create_task(runtime.ask("a", 0, "hold"))
        await journal.until("hold a")
        crashing = asyncio.create_task(crash(runtime, "a"))
        waiting = asyncio.create_task(error_of(runtime.ask("a", 1)))
        await asyncio.sleep(0)
        actor.release.set()
        assert (await holding).payload == 0
        assert isinstance(await waiting, HandlerFailed)
        assert isinstance(await crashing, HandlerFailed)
        assert letters == ["crashed", "crashed"]


@pytest.mark.promise(id="SEM-206")
async def test_a_handler_that_returns_none_answers_an_ask_with_no_reply(journal: Journal) -> None:
    async with alone(Actor("a", journal)) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 1, "none")), NoReply)


@pytest.mark.promise(id="SEM-308")
async def test_a_handler_that_returns_something_else_crashes_with_a_hint() -> None:
    class Wrong(AgentProcess):
        async def handle(self, message: Message) -> Any:
            return {"not": "a message"}

    async with alone(Wrong("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert "return self.reply(...)" in error.error_message


@pytest.mark.promise(id="SEM-308")
async def test_a_reply_that_cannot_be_sent_is_a_failure_of_the_handler() -> None:
    class Wrong(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply({"conn": object()})

    async with alone(Wrong("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "PayloadError"
        assert "payload.conn" in error.error_message


@pytest.mark.promise(id="SEM-302")
async def test_retry_handles_the_same_message_again_and_then_escalates(journal: Journal) -> None:
    async with alone(Decider("a", journal, ErrorAction.RETRY, max_retries=2)) as runtime:
        assert isinstance(await crash(runtime, "a"), HandlerFailed)
        attempts = [entry for entry in journal if entry.startswith("attempt")]
        assert attempts == ["attempt 0", "attempt 1", "attempt 2"]
        await journal.until("start a", 2)


@pytest.mark.promise(id="SEM-302")
async def test_a_retry_sees_the_payload_as_it_was_sent(journal: Journal) -> None:
    class Mutates(Decider):
        async def handle(self, message: Message) -> Message | None:
            message.payload["seen"] = message.payload.get("seen", 0) + 1
            if message.attempt == 0:
                raise ValueError("once")
            return self.reply(message.payload)

    async with alone(Mutates("a", journal, ErrorAction.RETRY)) as runtime:
        assert (await runtime.ask("a", {})).payload == {"seen": 1}


@pytest.mark.promise(id="SEM-303")
async def test_skip_gives_up_the_message_and_keeps_the_process(journal: Journal) -> None:
    async with alone(Decider("a", journal, ErrorAction.SKIP)) as runtime:
        assert isinstance(await crash(runtime, "a"), HandlerFailed)
        assert (await runtime.ask("a", 1)).payload == 1
        assert journal.count("start a") == 1


@pytest.mark.promise(id="SEM-304")
async def test_stop_ends_with_reason_normal(journal: Journal) -> None:
    async with alone(Decider("a", journal, ErrorAction.STOP, restart="transient")) as runtime:
        assert isinstance(await crash(runtime, "a"), HandlerFailed)
        await eventually(lambda: status(runtime, "a") == "stopped")


@pytest.mark.promise(id="SEM-305")
async def test_an_on_error_that_raises_crashes_with_its_own_error(journal: Journal) -> None:
    class Worse(Actor):
        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            raise KeyError("worse")

    async with alone(Worse("a", journal)) as runtime:
        error = await crash(runtime, "a")
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "KeyError"
        assert "ValueError" in error.remote_traceback


@pytest.mark.promise(id="SEM-307")
async def test_a_handler_that_raises_cancelled_error_itself_has_failed() -> None:
    class Cancels(AgentProcess):
        async def handle(self, message: Message) -> None:
            raise asyncio.CancelledError("mine")

    async with alone(Cancels("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "CancelledError"


@pytest.mark.promise(id="SEM-309")
async def test_a_handler_that_calls_sys_exit_crashes_alone() -> None:
    class Exits(AgentProcess):
        async def handle(self, message: Message) -> None:
            sys.exit(3)

    async with alone(Exits("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "SystemExit"


@pytest.mark.promise(id="SEM-306")
async def test_a_handler_that_takes_longer_than_its_handle_timeout_has_failed(
    journal: Journal,
) -> None:
    async with alone(Actor("a", journal, handle_timeout=0.02)) as runtime:
        error = await error_of(runtime.ask("a", 1, "hold"))
        assert isinstance(error, HandlerFailed)
        assert (error.error_type, "handle_timeout" in error.error_message) == ("TimeoutError", True)
        assert (await runtime.ask("a", 2)).payload == 2


@pytest.mark.promise(id="SEM-216")
async def test_with_cancel_on_timeout_the_handler_of_a_gone_asker_is_cancelled(
    journal: Journal,
) -> None:
    class Notes(Actor):
        async def handle(self, message: Message) -> Message | None:
            try:
                return await super().handle(message)
            except asyncio.CancelledError:
                self.journal.write("cancelled")
                raise

    async with alone(Notes("a", journal, cancel_on_timeout=True)) as runtime:
        assert (
            type(await error_of(runtime.ask("a", 1, "hold", timeout=0.02))).__name__ == "AskTimeout"
        )
        await journal.until("cancelled")
        assert (await runtime.ask("a", 2)).payload == 2
        asking = asyncio.create_task(runtime.ask("a", 1, "hold"))
        await journal.until("hold a", 2)
        asking.cancel()
        await journal.until("cancelled", 2)
        assert (await runtime.ask("a", None, "handled")).payload == [1, 2, 1]
        assert journal.count("start a") == 1


@pytest.mark.promise(id="SEM-216")
@pytest.mark.parametrize(
    ("withdrawn", "handled", "reasons"),
    [(True, [1], ["no_reader", "expired"]), (False, [1, 2], ["expired", "late_reply"])],
)
async def test_an_ask_whose_asker_left_before_its_turn_is_withdrawn_where_the_agent_wants_that(
    journal: Journal, withdrawn: bool, handled: list[int], reasons: list[str]
) -> None:
    actor = Actor("a", journal, cancel_on_timeout=withdrawn)
    async with alone(actor) as runtime:
        dead: list[str] = []
        runtime.on("dead_letter", lambda event: dead.append(event.reason))
        holding = asyncio.create_task(runtime.ask("a", 1, "hold"))
        await journal.until("hold a")
        left = asyncio.create_task(runtime.ask("a", 2))
        await eventually(lambda: runtime.tree()["children"][0]["mailbox_depth"])
        left.cancel()
        await error_of(runtime.ask("a", 3, timeout=0.02))
        actor.release.set()
        await holding
        assert (await runtime.ask("a", None, "handled")).payload == handled
        assert dead == reasons


@pytest.mark.promise(id="SEM-109")
async def test_a_plain_def_handler_runs_in_a_thread_and_can_ask() -> None:
    class Echo(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply([threading.current_thread().name, message.conversation])

    class Sync(AgentProcess):
        def handle(self, message: Message) -> Message:  # type: ignore[override]
            assert current_agent.get() is self
            assert current_message.get() is message
            answer = self.run(self.ask("echo", 1))
            return self.reply([threading.current_thread().name, *answer.payload])

    async with Runtime(Supervisor("root", [Echo("echo"), Sync("sync")])) as runtime:
        mine, other, conversation = (await runtime.ask("sync", 1, conversation="c-1")).payload
        assert mine.startswith("civitas-root")
        assert (other, conversation) == ("MainThread", "c-1")


@pytest.mark.promise(id="SEM-109")
async def test_run_on_the_event_loop_is_refused() -> None:
    class Blocks(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(self.run(self.ask("a", 1)).payload)

    async with alone(Blocks("a")) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert "use await" in error.error_message


@pytest.mark.promise(id="SEM-320")
async def test_an_ended_incarnation_can_send_no_more(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with alone(actor) as runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
        with pytest.raises(AgentTerminated, match="incarnation"):
            await actor.send("a", 1)


async def test_an_agent_that_is_not_running_says_so(journal: Journal) -> None:
    with pytest.raises(ConfigurationError, match="not running"):
        await Actor("a", journal).send("b", 1)


@pytest.mark.promise(id="SEM-121")
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"mailbox_size": 0}, "mailbox_size"),
        ({"restart": "permanant"}, "did you mean 'permanent'"),
        ({"shutdown_timeout": -1}, "shutdown_timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"handle_timeout": 0}, "handle_timeout"),
        ({"cancel_on_timeout": "yes"}, "cancel_on_timeout"),
        ({"delivery": "exactly_once"}, "at_most_once, at_least_once"),
        ({"max_deliveries": 0}, "max_deliveries"),
    ],
)
def test_a_wrong_keyword_is_refused_with_agent_and_keyword(
    keywords: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        AgentProcess("a", **keywords)
    assert "AgentProcess('a')" in str(caught.value)


async def test_a_subclass_may_use_any_name_that_does_not_begin_with_civitas() -> None:
    class Plain(AgentProcess):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self._options = self._call = self._running = self._incarnation = "mine"
            self._handled = self._fresh = self._used = self._state = "mine"

        async def handle(self, message: Message) -> Message | None:
            if message.type == "crash":
                raise ValueError
            return self.reply([self._options, self._call, self._running, self._handled])

    async with alone(Plain("a")) as runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == ["mine"] * 4


async def test_an_agent_that_sends_to_itself_leaves_the_others_their_turn(journal: Journal) -> None:
    class Spins(AgentProcess):
        async def handle(self, message: Message) -> Message | None:
            if message.type == "ask":
                return self.reply(1)
            await self.send(self.name, None)
            return None

    runtime = alone(Spins("a", shutdown_timeout=0), drain_timeout=0)
    async with runtime, asyncio.timeout(5):
        await runtime.send("a", None)
        assert (await runtime.ask("a", None, "ask")).payload == 1


async def test_the_answer_of_another_agent_may_be_handed_on_as_ones_own(journal: Journal) -> None:
    class HandsOn(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return await self.ask("a", message.payload)

    agents = [Actor("a", journal), HandsOn("b")]
    async with Runtime(Supervisor("root", agents)) as runtime:
        reply = await runtime.ask("b", 7)
        assert (reply.sender, reply.payload) == ("b", 7)
