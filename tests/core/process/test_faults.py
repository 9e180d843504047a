"""What goes wrong in an agent's code, and what a kill, a leaving asker or a late answer meet there."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

import pytest

from civitas.errors import AskTimeout, HandlerFailed, StartFailed, SupervisorGaveUp
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction, Mailbox
from civitas.process.deliveries import Deliveries
from civitas.process.handling import Handling
from civitas.process.run_state import RunState
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually, told


def together(*agents: AgentProcess, **keywords: Any) -> Runtime:
    spec = Supervisor("root", list(agents), backoff="none", max_restarts=10)
    return Runtime(spec, **{"drain_timeout": 5, **keywords})


class Abort(BaseException):
    """Not an `Exception`: no `except Exception` stops it."""


class Raises(AgentProcess):
    """Raises what its message names."""

    async def handle(self, message: Message) -> Message:
        match message.payload:
            case "abort":
                raise Abort("in the middle")
            case "group":
                raise BaseExceptionGroup("two", [Abort("one"), ValueError("other")])
            case "exit":
                sys.exit("done")
            case "generator":
                raise GeneratorExit("left")
            case "cancel":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.Event().wait()
        return self.reply("fine")


class RaisesInThread(Raises):
    def handle(self, message: Message) -> Message:  # type: ignore[override]
        match message.payload:
            case "abort":
                raise Abort("in the middle")
            case "stop":
                return next(iter([]))
            case "exit":
                sys.exit("done")
        return self.reply("fine")


class Lingers(Actor):
    """Its `on_error` takes long."""

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        self.journal.write("on_error")
        await asyncio.Event().wait()
        return ErrorAction.ESCALATE


# What user code may raise.


@pytest.mark.promise(id="SEM-309")
@pytest.mark.parametrize(
    ("kind", "what", "error_type"),
    [
        (Raises, "abort", "Abort"),
        (Raises, "group", "BaseExceptionGroup"),
        (Raises, "exit", "SystemExit"),
        (Raises, "generator", "GeneratorExit"),
        (Raises, "cancel", "CancelledError"),
        (RaisesInThread, "abort", "Abort"),
        (RaisesInThread, "stop", "RuntimeError"),
        (RaisesInThread, "exit", "SystemExit"),
    ],
)
async def test_whatever_a_handler_raises_is_told_at_once_and_ends_that_agent_alone(
    kind: type[Raises], what: str, error_type: str
) -> None:
    async with together(kind("a"), Raises("b")) as runtime:
        error = await error_of(runtime.ask("a", what))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == error_type
        assert (await runtime.ask("a", "and on")).payload == "fine"
        assert (await runtime.ask("b", "and on")).payload == "fine"


@pytest.mark.promise(id="SEM-307")
async def test_a_handler_that_cancels_its_own_task_has_failed_and_is_told_how() -> None:
    async with together(Raises("a")) as runtime:
        error = await error_of(runtime.ask("a", "cancel"))
    assert "current_task().cancel()" in str(error)


async def test_a_handler_that_is_thrown_away_with_its_loop_is_no_crash() -> None:
    """Python closes its coroutine with a GeneratorExit, which is none of the handler's."""

    class Waits(AgentProcess):
        async def handle(self, message: Message) -> None:
            await asyncio.sleep(0)

    async with together(Waits("a")) as runtime:
        crashes = told(runtime, "dead_letter", "crashed")
        node = runtime._node
        deliveries = Deliveries("a", Mailbox("a", 1), node)
        handling = Handling(Waits("a"), node, RunState(), deliveries, Message()).run_alone()
        handling.send(None)
        handling.close()
        assert not crashes


@pytest.mark.parametrize("error", [ValueError("no"), Abort("no"), SystemExit(3)])
async def test_a_constructor_that_raises_at_a_restart_is_a_failed_start(
    journal: Journal, error: BaseException
) -> None:
    class Fragile(Actor):
        def __init__(self, name: str, journal: Journal) -> None:
            if journal:
                raise error
            super().__init__(name, journal)

    runtime = Runtime(Supervisor("root", [Fragile("a", journal)], backoff="none", max_restarts=2))
    await runtime.start()
    await crash(runtime, "a")
    with pytest.raises(SupervisorGaveUp, match=type(error).__name__):
        await runtime.wait()
    await runtime.stop()


@pytest.mark.parametrize("error", [ValueError("no"), Abort("no"), SystemExit(3)])
async def test_an_on_stop_that_raises_ends_the_agent_all_the_same(
    journal: Journal, error: BaseException
) -> None:
    class BadStop(Actor):
        async def on_stop(self) -> None:
            await super().on_stop()
            raise error

    async with together(BadStop("a", journal), Actor("b", journal)) as runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 1
    assert journal.count("stop a") == 2


async def test_who_is_cancelled_at_once_when_stopped_may_still_end_well_by_itself(
    journal: Journal,
) -> None:
    class Slow(Actor):
        async def on_stop(self) -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await super().on_stop()

    agent = Slow("a", journal, shutdown_timeout=0, restart="transient")
    async with together(agent) as runtime:
        events = told(runtime)
        await runtime.ask("a", 1, "stop")
        await eventually(lambda: events)
        assert events == [("terminated", "a")]
    assert journal == ["start a", "stop a"]


@pytest.mark.promise(id="SEM-109")
async def test_an_on_error_that_is_no_coroutine_and_callbacks_in_threads_work(
    journal: Journal,
) -> None:
    class Plain(Actor):
        def on_start(self) -> None:  # type: ignore[override]
            self.journal.append(f"start {self.name}")

        def on_error(self, error: Exception, message: Message) -> ErrorAction:  # type: ignore[override]
            return ErrorAction.SKIP

        def on_stop(self) -> None:  # type: ignore[override]
            self.journal.append(f"stop {self.name}")

    async with together(Plain("a", journal)) as runtime:
        assert isinstance(await crash(runtime, "a"), HandlerFailed)
        assert (await runtime.ask("a", 1)).payload == 1
    assert journal == ["start a", "stop a"]


async def test_a_crash_on_the_last_message_before_a_stop_is_logged(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    class HeldCrash(Actor):
        async def handle(self, message: Message) -> Message | None:
            await super().handle(message)
            raise ValueError("at the end")

    actor = HeldCrash("a", journal)
    async with together(actor) as runtime:
        asking = asyncio.create_task(error_of(runtime.ask("a", 1, "hold")))
        await journal.until("hold a")
        ending = asyncio.create_task(runtime.terminate_child("root", "a"))
        await eventually(lambda: runtime.which_children("root")[0]["status"] == "stopping")
        actor.release.set()
        assert isinstance(await asking, HandlerFailed)
        await ending
    assert "crashed on its last message before its stop: crashed: ValueError" in caplog.text


# Callbacks that send and ask.


async def test_what_on_stop_asks_is_not_bound_to_the_deadline_of_the_last_message(
    journal: Journal,
) -> None:
    class SaysGoodbye(Actor):
        async def on_stop(self) -> None:
            answer = await self.ask("b", "goodbye")
            await self.send("b", "sent", "none")
            self.journal.write(f"{answer.payload} in {answer.conversation}")

    async with together(Actor("b", journal), SaysGoodbye("a", journal)) as runtime:
        with suppress(AskTimeout):  # on a machine that is busy
            await runtime.ask("a", 1, timeout=0.03, conversation="c")
        await asyncio.sleep(0.03)  # the deadline passes
    assert "goodbye in None" in journal


@pytest.mark.promise(id="SEM-210")
async def test_an_agent_that_asks_itself_while_it_starts_is_told_at_once(journal: Journal) -> None:
    class AsksItself(Actor):
        async def on_start(self) -> None:
            await self.ask(self.name, 1)

    with pytest.raises(StartFailed, match="AskCycle"):
        await together(AsksItself("a", journal)).start()


async def test_two_that_ask_each_other_while_one_starts_are_told_at_once(journal: Journal) -> None:
    class AsksBack(Actor):
        async def handle(self, message: Message) -> Message | None:
            return await self.ask("late", 1)

    class AsksFirst(Actor):
        async def on_start(self) -> None:
            await self.ask("early", 1)

    with pytest.raises(StartFailed, match="AskCycle"):
        await together(AsksBack("early", journal), AsksFirst("late", journal)).start()


async def test_a_task_of_an_idle_agent_may_ask_who_asks_it(journal: Journal) -> None:
    class Polls(Actor):
        async def on_start(self) -> None:
            self.polling = asyncio.create_task(self.poll())

        async def poll(self) -> None:
            answer = await self.ask("b", 1)
            self.journal.write(f"polled {answer.payload}")

    class AsksBack(Actor):
        async def handle(self, message: Message) -> Message | None:
            return self.reply((await self.ask("a", "asked back")).payload)

    async with together(AsksBack("b", journal), Polls("a", journal)):
        await journal.until("polled asked back")


@pytest.mark.promise(id="SEM-119")
async def test_an_agent_that_stops_itself_while_it_starts_ends_normally(journal: Journal) -> None:
    class Brief(Actor):
        async def on_start(self) -> None:
            await super().on_start()
            await self.stop()

    async with together(Brief("a", journal, restart="transient")) as runtime:
        await journal.until("stop a")
        await eventually(lambda: runtime.which_children("root")[0]["status"] == "stopped")


# Askers that leave.


async def test_an_asker_that_leaves_while_on_error_runs_does_not_end_the_agent(
    journal: Journal,
) -> None:
    async with together(Lingers("a", journal, cancel_on_timeout=True)) as runtime:
        error = await error_of(runtime.ask("a", 1, "crash", timeout=0.02))
        assert isinstance(error, AskTimeout)
        assert (await runtime.ask("a", 1)).payload == 1
    assert journal == ["start a", "on_error", "stop a"]


async def test_a_cancellation_that_a_library_turns_into_another_error_is_no_crash(
    journal: Journal,
) -> None:
    class Wraps(Actor):
        async def handle(self, message: Message) -> Message | None:
            try:
                return await super().handle(message)
            except asyncio.CancelledError:
                raise ConnectionError("the request was interrupted") from None

    async with together(Wraps("a", journal, cancel_on_timeout=True)) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 1, "hold", timeout=0.02)), AskTimeout)
        assert (await runtime.ask("a", 1)).payload == 1
    assert journal.count("start a") == 1
