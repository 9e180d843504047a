"""What is told at once when a supervisor gives up while its agents are at work, and what may still be said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import AgentTerminated, UnknownAgent
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import Actor, Journal, crash, error_of


class Asks(Actor):
    """Asks whom its payload names, and answers with the error."""

    async def handle(self, message: Message) -> Message | None:
        if message.type != "ask":
            return await super().handle(message)
        self.journal.write(f"ask {self.name}")
        error = await error_of(self.ask(message.payload, 1, timeout=None, conversation="c"))
        self.journal.write(f"{self.name}: {type(error).__name__}")
        return self.reply(None)


def release(root: Supervisor) -> None:
    for each in root.children:
        if isinstance(each, Actor):
            each.release.set()


@pytest.mark.promise(id="SEM-408")
@pytest.mark.promise(id="SEM-1473")
async def test_asks_fail_at_once_when_the_root_gives_up_while_handlers_are_at_work(
    journal: Journal,
) -> None:
    root = Supervisor("root", [Actor("a", journal), Actor("bad", journal)], max_restarts=0)
    async with Runtime(root) as runtime, asyncio.timeout(5):
        asks = [asyncio.create_task(error_of(runtime.ask("a", 1, "hold", timeout=None)))]
        await journal.until("hold a")
        asks += [asyncio.create_task(error_of(runtime.ask("a", 1))) for _ in range(2)]
        await asyncio.sleep(0)
        await crash(runtime, "bad")
        errors = [*await asyncio.gather(*asks), await error_of(runtime.ask("a", 1))]
        assert [type(each) for each in errors] == [AgentTerminated] * 4
        assert "supervisor 'root' gave up" in str(errors[0])
        assert isinstance(await error_of(runtime.send("a", 1)), AgentTerminated)
        assert isinstance(await error_of(runtime.ask("nobody", 1)), UnknownAgent)
        assert await runtime.broadcast("*", 1) == 0
        assert "stop a" not in journal  # it is at work all the while
        release(root)
        await journal.until("stop a")


@pytest.mark.promise(id="SEM-1473")
@pytest.mark.parametrize("where", ["root", "low", "sessions", "pool"])
async def test_the_ask_of_a_handler_does_not_wait_behind_another_when_the_root_gives_up(
    journal: Journal, where: str
) -> None:
    busy = Actor("busy", journal)
    low: dict[str, Any] = {
        "root": busy,
        "low": Supervisor("low", [busy]),
        "sessions": DynamicSupervisor("sessions"),
        "pool": ConversationPool("busy", busy),
    }
    root = Supervisor(
        "root", [Asks("a", journal), low[where], Actor("bad", journal)], max_restarts=0
    )
    async with Runtime(root) as runtime, asyncio.timeout(5):
        if where == "sessions":
            await runtime.start_child("sessions", busy)
        await runtime.send("busy", 1, "hold", conversation="c")
        await journal.until("hold busy/c" if where == "pool" else "hold busy")
        await runtime.send("a", "busy", "ask")
        await journal.until("ask a")
        await crash(runtime, "bad")
        await journal.until("a: AgentTerminated")
        assert "stop busy" not in journal
        busy.release.set()


@pytest.mark.promise(id="SEM-1473")
async def test_a_supervisor_that_gives_up_lets_what_is_at_work_answer(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("bad", journal)], max_restarts=0)
    async with Runtime(Supervisor("root", [inner], backoff="none")) as runtime, asyncio.timeout(5):
        working = asyncio.create_task(runtime.ask("a", 1, "hold"))
        await journal.until("hold a")
        waiting = asyncio.create_task(error_of(runtime.ask("a", 1)))
        await asyncio.sleep(0)
        await crash(runtime, "bad")
        assert isinstance(await waiting, AgentTerminated)
        assert not working.done()
        release(inner)
        assert (await working).payload == 1
        await journal.until("start a", 2)
        assert (await runtime.ask("a", 2)).payload == 2


@pytest.mark.promise(id="SEM-1473")
async def test_the_ask_of_one_that_is_stopped_for_good_does_not_wait_for_the_last_handler(
    journal: Journal,
) -> None:
    root = Supervisor("root", [Actor("a", journal)])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        await runtime.send("a", 1, "hold")
        await journal.until("hold a")
        waiting = asyncio.create_task(error_of(runtime.ask("a", 1)))
        await asyncio.sleep(0)
        ending = asyncio.create_task(runtime.terminate_child("root", "a"))
        assert isinstance(await waiting, AgentTerminated)
        assert isinstance(await error_of(runtime.ask("a", 1)), AgentTerminated)
        assert not ending.done()
        release(root)
        await ending


async def test_an_agent_that_is_stopped_for_good_may_send_to_itself_in_its_last_handler(
    journal: Journal,
) -> None:
    class Ticks(Actor):
        async def handle(self, message: Message) -> Message | None:
            await super().handle(message)
            await self.send(self.name, 1)
            return self.reply("sent")

    root = Supervisor("root", [Ticks("a", journal)])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        asking = asyncio.create_task(runtime.ask("a", 1, "hold"))
        await journal.until("hold a")
        ending = asyncio.create_task(runtime.terminate_child("root", "a"))
        await asyncio.sleep(0.001)
        release(root)
        assert (await asking).payload == "sent"
        await ending


@pytest.mark.promise(id="SEM-1473")
async def test_those_that_stop_first_may_say_their_last_words_to_who_still_runs(
    journal: Journal,
) -> None:
    class Parts(Actor):
        async def on_stop(self) -> None:
            self.journal.write((await self.ask("a", "bye")).payload)

    children = [Actor("a", journal), Parts("b", journal), Actor("bad", journal)]
    async with Runtime(Supervisor("root", children, max_restarts=0)) as runtime:
        await crash(runtime, "bad")
        await journal.until("bye")


@pytest.mark.promise(id="SEM-1473")
async def test_the_ask_of_a_conversation_does_not_wait_for_its_last_handler_when_its_pool_ends(
    journal: Journal,
) -> None:
    busy = Actor("a", journal)
    root = Supervisor("root", [ConversationPool("a", busy)])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        await runtime.send("a", 1, "hold", conversation="c")
        await journal.until("hold a/c")
        waiting = asyncio.create_task(error_of(runtime.ask("a", 1, conversation="c")))
        await asyncio.sleep(0)
        ending = asyncio.create_task(runtime.terminate_child("root", "a"))
        assert isinstance(await waiting, AgentTerminated)
        assert isinstance(await error_of(runtime.ask("a", 1, conversation="c")), AgentTerminated)
        assert not ending.done()
        busy.release.set()
        await ending


@pytest.mark.parametrize("turns", range(4))
async def test_an_ask_may_be_cancelled_while_the_pool_is_stopped_that_has_no_place_for_it(
    journal: Journal, turns: int
) -> None:
    busy = Actor("a", journal, mailbox_size=1)
    root = Supervisor("root", [ConversationPool("a", busy, max_live=1)])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        await runtime.send("a", 1, "hold", conversation="at work")
        await journal.until("hold a/at work")
        asks = [
            asyncio.create_task(error_of(runtime.ask("a", 1, conversation=conversation)))
            for conversation in ("waits", "behind it")
        ]
        await asyncio.sleep(0)
        ending = asyncio.create_task(runtime.terminate_child("root", "a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        asks[1].cancel()
        busy.release.set()
        await ending
        assert isinstance(await asks[0], AgentTerminated)
