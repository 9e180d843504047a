"""The runtime: asks from outside, events, the tree, drain and stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    AskCycle,
    AskTimeout,
    ConfigurationError,
    HandlerFailed,
    MailboxFull,
    PayloadError,
    UnknownAgent,
)
from civitas.events import Event
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, error_of, eventually


class Asks(AgentProcess):
    """Asks whom its message names, in a chain."""

    async def handle(self, message: Message) -> Message:
        first, *rest = message.payload
        answer = await self.ask(first, rest)
        return self.reply(answer.payload)


@pytest.mark.promise(id="SEM-201")
async def test_a_name_nobody_has_is_unknown_at_once_with_the_closest(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("planner", journal)])) as runtime:
        with pytest.raises(UnknownAgent, match="did you mean 'planner'") as caught:
            await runtime.ask("planer", 1)
        assert caught.value.suggestions == ("planner",)


@pytest.mark.promise(id="SEM-202")
@pytest.mark.promise(id="SEM-203")
@pytest.mark.promise(id="SEM-325")
async def test_an_ask_that_is_not_answered_in_time_names_target_type_and_timeout(
    journal: Journal,
) -> None:
    actor = Actor("a", journal)
    async with Runtime(Supervisor("root", [actor])) as runtime:
        letters: list[Event] = []
        runtime.on("dead_letter", letters.append)
        with pytest.raises(TimeoutError) as caught:
            await runtime.ask("a", 1, "hold", timeout=0.02)
        error = caught.value
        assert isinstance(error, AskTimeout)
        assert (error.agent, error.message_type, error.timeout) == ("a", "hold", 0.02)
        actor.release.set()
        assert (await runtime.ask("a", 2)).payload == 2
        # It is about the agent that was slow, and not about whoever asked.
        assert [(letter.name, letter.reason) for letter in letters] == [("a", "late_reply")]


@pytest.mark.promise(id="SEM-215")
@pytest.mark.promise(id="SEM-322")
async def test_a_message_whose_deadline_passed_in_the_mailbox_is_not_handled(
    journal: Journal,
) -> None:
    actor = Actor("a", journal)
    async with Runtime(Supervisor("root", [actor])) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        holding = asyncio.create_task(runtime.ask("a", 0, "hold"))
        await journal.until("hold a")
        assert isinstance(await error_of(runtime.ask("a", 1, timeout=0.02)), AskTimeout)
        # It is told at once, and takes no place any more.
        await eventually(lambda: letters == ["expired"])
        assert runtime.tree()["children"][0]["mailbox_depth"] == 0
        actor.release.set()
        await holding
        assert (await runtime.ask("a", None, "handled")).payload == [0]
        assert letters == ["expired"]


@pytest.mark.promise(id="SEM-214")
async def test_what_a_handler_asks_cannot_outlive_its_own_asker(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Asks("asks"), Actor("a", journal)])) as runtime:
        deadlines: list[float | None] = []

        class Sees(AgentProcess):
            async def handle(self, message: Message) -> Message:
                deadlines.append(message.deadline)
                return self.reply(None)

    async with Runtime(Supervisor("root", [Asks("asks"), Sees("sees")])) as runtime:
        await runtime.ask("asks", ["sees"], timeout=5)
        await runtime.ask("sees", None, timeout=5)
    assert deadlines[0] is not None
    assert deadlines[1] is not None
    assert 0 <= deadlines[1] - deadlines[0] < 5


@pytest.mark.promise(id="SEM-210")
@pytest.mark.parametrize(
    ("chain", "cycle"),
    [(["a"], ("a", "a")), (["b", "a"], ("b", "a", "b")), (["b", "c", "a"], ("c", "a", "b", "c"))],
)
async def test_an_ask_that_would_wait_for_itself_is_refused_at_once(
    chain: list[str], cycle: tuple[str, ...]
) -> None:
    seen: list[BaseException] = []

    class Keeps(Asks):
        async def handle(self, message: Message) -> Message:
            try:
                return await super().handle(message)
            except AskCycle as error:
                seen.append(error)
                raise

    async with Runtime(Supervisor("root", [Keeps(name) for name in "abc"])) as runtime:
        error = await error_of(runtime.ask("a", chain, timeout=5))
        assert isinstance(error, HandlerFailed)
    assert isinstance(seen[0], AskCycle)
    assert seen[0].cycle == cycle


@pytest.mark.promise(id="SEM-210")
async def test_two_agents_that_ask_each_other_at_the_same_moment_are_told(journal: Journal) -> None:
    asked = asyncio.Barrier(2)

    class Crossing(AgentProcess):
        async def handle(self, message: Message) -> Message:
            if message.payload == "answer":
                return self.reply("answered")
            await asked.wait()
            return self.reply((await self.ask(message.payload, "answer")).payload)

    async with Runtime(Supervisor("root", [Crossing("a"), Crossing("b")])) as runtime:
        answers = await asyncio.gather(
            runtime.ask("a", "b", timeout=5),
            runtime.ask("b", "a", timeout=5),
            return_exceptions=True,
        )
        failed = [error for error in answers if isinstance(error, HandlerFailed)]
        assert failed
        assert "AskCycle" in failed[0].remote_traceback


async def test_who_has_answered_may_ask_the_asker_before_that_runs_again() -> None:
    """The answer is there; the asker has only not had its turn yet."""
    asked = asyncio.Event()
    go_on = asyncio.Event()

    class First(AgentProcess):
        async def handle(self, message: Message) -> Message:
            if message.type == "ask the second":
                return self.reply((await self.ask("second", 1)).payload)
            return self.reply("answered, too")

    class Second(AgentProcess):
        async def handle(self, message: Message) -> Message:
            if message.type == "ask the first":
                return self.reply((await self.ask("first", 1, timeout=5)).payload)
            asked.set()
            await go_on.wait()
            return self.reply("answered")

    async with Runtime(Supervisor("root", [First("first"), Second("second")])) as runtime:
        first = asyncio.create_task(runtime.ask("first", 1, "ask the second", timeout=5))
        await asked.wait()
        second = asyncio.create_task(runtime.ask("second", 1, "ask the first", timeout=5))
        await eventually(lambda: runtime.tree()["children"][1]["mailbox_depth"] == 1)
        go_on.set()
        assert (await first).payload == "answered"
        assert (await second).payload == "answered, too"


@pytest.mark.promise(id="SEM-211")
async def test_asking_the_same_agent_twice_in_one_handler_is_no_cycle(journal: Journal) -> None:
    class Twice(AgentProcess):
        async def handle(self, message: Message) -> Message:
            first, second = await asyncio.gather(self.ask("a", 1), self.ask("a", 2))
            return self.reply([first.payload, second.payload])

    async with Runtime(Supervisor("root", [Twice("twice"), Actor("a", journal)])) as runtime:
        assert (await runtime.ask("twice", None)).payload == [1, 2]


@pytest.mark.promise(id="SEM-112")
async def test_the_reply_names_its_sender_and_the_message_it_answers(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        reply = await runtime.ask("a", 1, conversation="c")
        assert (reply.sender, reply.type, reply.conversation) == ("a", "reply", "c")
        assert reply.correlation_id


@pytest.mark.promise(id="SEM-102")
async def test_the_recipient_gets_its_own_copy(journal: Journal) -> None:
    payload = {"items": [1]}
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        reply = await runtime.ask("a", payload)
        reply.payload["items"].append(2)
        assert payload == {"items": [1]}


@pytest.mark.promise(id="SEM-103")
async def test_a_bad_payload_is_refused_at_the_sender_and_nothing_is_sent(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        with pytest.raises(PayloadError, match=r"payload\.conn"):
            await runtime.ask("a", {"conn": object()})
        assert (await runtime.ask("a", None, "handled")).payload == []


@pytest.mark.promise(id="SEM-105")
@pytest.mark.promise(id="SEM-209")
async def test_send_waits_for_room_and_mailbox_full_names_the_agent(journal: Journal) -> None:
    actor = Actor("a", journal, mailbox_size=1)
    async with Runtime(Supervisor("root", [actor])) as runtime:
        await runtime.send("a", 0, "hold")
        await journal.until("hold a")
        await runtime.send("a", 1)
        with pytest.raises(MailboxFull, match="'a'"):
            await runtime.send("a", 2, timeout=0.02)
        waiting = asyncio.create_task(runtime.send("a", 3))
        await asyncio.sleep(0)
        assert not waiting.done()
        actor.release.set()
        await waiting
        assert (await runtime.ask("a", None, "handled")).payload == [0, 1, 3]


@pytest.mark.promise(id="SEM-106")
async def test_an_agent_that_floods_itself_ends_in_an_error(journal: Journal) -> None:
    class Floods(AgentProcess):
        async def handle(self, message: Message) -> None:
            while True:
                await self.send(self.name, 1, timeout=0.01)

    async with Runtime(Supervisor("root", [Floods("a", mailbox_size=5)])) as runtime:
        error = await error_of(runtime.ask("a", 1))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "MailboxFull"


@pytest.mark.promise(id="SEM-107")
async def test_broadcast_reaches_who_matches_except_the_sender(journal: Journal) -> None:
    class Shouts(Actor):
        async def handle(self, message: Message) -> Message | None:
            if message.type == "shout":
                return self.reply(await self.broadcast("w*", "hey"))
            return await super().handle(message)

    children = [
        Shouts("w1", journal),
        Actor("w2", journal),
        Actor("w3", journal),
        Actor("x", journal),
    ]
    async with Runtime(Supervisor("root", children)) as runtime:
        assert (await runtime.ask("w1", None, "shout")).payload == 2
        assert (await runtime.ask("w2", None, "handled")).payload == ["hey"]
        assert (await runtime.ask("x", None, "handled")).payload == []
        assert await runtime.broadcast("*", 1) == 4


@pytest.mark.promise(id="SEM-107")
async def test_a_full_mailbox_does_not_stop_a_broadcast_to_the_others(journal: Journal) -> None:
    full, free = Actor("w1", journal, mailbox_size=1), Actor("w2", journal)
    async with Runtime(Supervisor("root", [full, free])) as runtime:
        await runtime.send("w1", 0, "hold")
        await journal.until("hold w1")
        await runtime.send("w1", 1)
        assert await runtime.broadcast("w*", "hey", timeout=0.02) == 1
        full.release.set()


@pytest.mark.promise(id="SEM-213")
@pytest.mark.parametrize("timeout", [0, -1, "1"])
async def test_a_timeout_that_is_none_is_refused(journal: Journal, timeout: Any) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        with pytest.raises(ConfigurationError, match="timeout"):
            await runtime.ask("a", 1, timeout=timeout)


@pytest.mark.promise(id="SEM-213")
async def test_without_a_timeout_an_ask_waits_for_ever(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with Runtime(Supervisor("root", [actor])) as runtime:
        asking = asyncio.create_task(runtime.ask("a", 1, "hold", timeout=None))
        await journal.until("hold a")
        actor.release.set()
        assert (await asking).payload == 1


@pytest.mark.promise(id="SEM-605")
def test_a_list_of_agents_is_no_supervisor(journal: Journal) -> None:
    with pytest.raises(ConfigurationError, match="Runtime takes a Supervisor"):
        Runtime([Actor("a", journal)])  # type: ignore[arg-type]
