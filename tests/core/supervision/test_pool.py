"""Conversation pools: one process for each conversation, asleep while nobody talks to it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import Any, ClassVar

import pytest

from civitas.errors import AgentTerminated, ConfigurationError, HandlerFailed, MailboxFull
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import ChildSpec, ConversationPool, Supervisor
from civitas.testing import ManualClock
from tests.core.support import Actor, Journal, crash, error_of, eventually


class Remembers(Actor):
    """Keeps what it was told in its state."""

    async def handle(self, message: Message) -> Message | None:
        if message.type == "tell":
            self.state.setdefault("told", []).append(message.payload)
            return self.reply([self.name, message.conversation, self.state["told"]])
        return await super().handle(message)


def pool(journal: Journal, **keywords: Any) -> Runtime:
    runtime = {key: keywords.pop(key) for key in ("clock", "state_store") if key in keywords}
    child = Remembers("template", journal, **keywords.pop("child", {}))
    support = ConversationPool("support", child, **{"backoff": "none", **keywords})
    return Runtime(Supervisor("root", [support]), drain_timeout=5, **runtime)


def awake(runtime: Runtime) -> list[str]:
    return [child["name"] for child in runtime.which_children("support")]


async def tell(runtime: Runtime, what: Any, conversation: str | None) -> Any:
    return (await runtime.ask("support", what, "tell", conversation=conversation)).payload


@pytest.mark.promise(id="SEM-521")
async def test_each_conversation_has_a_process_of_its_own_with_its_own_state(
    journal: Journal,
) -> None:
    async with pool(journal) as runtime:
        await tell(runtime, 1, "ann")
        await tell(runtime, 2, "bob")
        assert await tell(runtime, 3, "ann") == ["support/ann", "ann", [1, 3]]
        assert awake(runtime) == ["support/ann", "support/bob"]
        assert runtime.tree()["children"][0]["kind"] == "conversation_pool"


async def test_a_process_of_a_pool_knows_the_name_that_all_of_them_stand_behind() -> None:
    class Asked(AgentProcess):
        async def on_start(self) -> None:
            self.at_the_start = self._civitas_family

        async def handle(self, message: Message) -> Message:
            return self.reply([self.name, self.at_the_start, self._civitas_family])

    children: list[ChildSpec] = [
        ConversationPool("support", Asked("template")),
        Asked("alone"),
    ]
    async with Runtime(Supervisor("root", children)) as runtime:
        of_the_pool = await runtime.ask("support", {}, conversation="ann")
        assert of_the_pool.payload == ["support/ann", "support", "support"]
        assert (await runtime.ask("alone", {})).payload == ["alone", "alone", "alone"]


@pytest.mark.promise(id="SEM-1641")
async def test_messages_that_crash_a_conversation_at_each_delivery_end_alone(
    journal: Journal,
) -> None:
    sure = {"delivery": "at_least_once", "max_deliveries": 2}
    async with pool(journal, child=sure, max_restarts=1) as runtime:
        bad = [runtime.ask("support", {}, "crash", conversation="ann") for _ in range(3)]
        answers = await asyncio.gather(*bad, tell(runtime, 1, "ann"), return_exceptions=True)
        assert [type(each) for each in answers[:3]] == [HandlerFailed] * 3
        assert answers[3] == ["support/ann", "ann", [1]]
        assert runtime.tree()["restarts"] == 0


@pytest.mark.promise(id="SEM-524")
async def test_a_message_without_a_conversation_gets_a_process_that_ends_after_it(
    journal: Journal,
) -> None:
    async with pool(journal) as runtime:
        name, conversation, told = await tell(runtime, 1, None)
        assert (conversation, told) == (None, [1])
        await eventually(lambda: awake(runtime) == [])
        assert journal == [f"start {name}", f"stop {name}"]


@pytest.mark.promise(id="SEM-522")
async def test_an_idle_conversation_sleeps_and_the_next_message_restores_it(
    journal: Journal,
) -> None:
    clock = ManualClock()
    store = InMemoryStateStore()
    async with pool(journal, clock=clock, state_store=store, idle_timeout=60) as runtime:
        await tell(runtime, 1, "ann")
        await asyncio.sleep(0)
        clock.advance(59)
        assert awake(runtime) == ["support/ann"]
        clock.advance(2)
        await eventually(lambda: awake(runtime) == [])
        assert await store.get("support/ann") == {"told": [1]}
        assert await tell(runtime, 2, "ann") == ["support/ann", "ann", [1, 2]]


@pytest.mark.promise(id="SEM-522")
async def test_a_message_starts_the_idle_time_anew(journal: Journal) -> None:
    clock = ManualClock()
    async with pool(journal, clock=clock, idle_timeout=60) as runtime:
        for n in range(3):
            await tell(runtime, n, "ann")
            await asyncio.sleep(0)
            clock.advance(50)
        assert journal == ["start support/ann"]


@pytest.mark.promise(id="SEM-521")
async def test_a_sleeping_conversation_is_reached_by_its_own_name(journal: Journal) -> None:
    async with pool(journal) as runtime:
        reply = await runtime.ask("support/ann", 1, "tell")
        assert reply.payload[0] == "support/ann"


class Busy(AgentProcess):
    """Does what begins timers and tasks."""

    handled: ClassVar[list[weakref.ref[AgentProcess]]] = []

    async def handle(self, message: Message) -> Message:
        if self.name != "echo":
            self.handled.append(weakref.ref(self))
        if message.payload == "all":
            await self.ask("echo", 1, timeout=5)
            await self.ask("echo", 1, timeout=1)
            self.send_after(60, "echo", 1).cancel()
            await self.step("step", lambda: 1)
            await self.checkpoint()
        return self.reply(None)


@pytest.mark.promise(id="SEM-1577")
@pytest.mark.parametrize("does", ["nothing", "all"])
async def test_nothing_of_a_conversation_that_sleeps_waits_for_the_collector(does: str) -> None:
    Busy.handled = []
    support = ConversationPool("support", Busy("template"), max_live=1)
    gc.disable()
    try:
        async with Runtime(Supervisor("root", [Busy("echo"), support])) as runtime:
            for conversation in map(str, range(20)):
                await runtime.ask("support", does, conversation=conversation)
            # The last one is awake, and the first is what the pool makes the others from.
            await eventually(lambda: sum(each() is not None for each in Busy.handled) == 2)
    finally:
        gc.enable()


@pytest.mark.promise(id="SEM-523")
async def test_with_max_live_awake_the_longest_idle_sleeps_first(journal: Journal) -> None:
    async with pool(journal, max_live=2) as runtime:
        for conversation in ("a", "b", "c"):
            await tell(runtime, 1, conversation)
            await asyncio.sleep(0)
        assert awake(runtime) == ["support/b", "support/c"]
        assert await tell(runtime, 2, "a") == ["support/a", "a", [1, 2]]


@pytest.mark.promise(id="SEM-523")
async def test_where_none_is_idle_the_next_conversation_waits(journal: Journal) -> None:
    child = Remembers("template", journal)
    support = ConversationPool("support", child, max_live=1)
    async with Runtime(Supervisor("root", [support])) as runtime:
        holding = asyncio.create_task(runtime.ask("support", 1, "hold", conversation="a"))
        await journal.until("hold support/a")
        waiting = asyncio.create_task(tell(runtime, 1, "b"))
        await asyncio.sleep(0)
        assert not waiting.done()
        child.release.set()  # the first process is the template itself
        assert (await waiting)[0] == "support/b"
        await holding


@pytest.mark.promise(id="SEM-529")
async def test_where_the_line_of_conversations_is_full_their_senders_wait(journal: Journal) -> None:
    child = Remembers("template", journal, mailbox_size=2)
    support = ConversationPool("support", child, max_live=1)
    async with Runtime(Supervisor("root", [support]), drain_timeout=5) as runtime:
        holding = asyncio.create_task(runtime.ask("support", 1, "hold", conversation="a"))
        await journal.until("hold support/a")
        asking = [asyncio.create_task(tell(runtime, n, f"b{n}")) for n in range(6)]
        sending = asyncio.create_task(runtime.send("support", 1, "tell", conversation="c"))
        await eventually(lambda: len(awake(runtime)) == 8)
        error = await error_of(runtime.ask("support", 1, conversation="late", timeout=0.02))
        assert isinstance(error, MailboxFull)
        assert "a larger max_live" in str(error)
        assert not sending.done()
        assert "support/late" not in awake(runtime)
        child.release.set()
        assert [(await each)[0] for each in asking] == [f"support/b{n}" for n in range(6)]
        await asyncio.gather(holding, sending)
    order = ["a", *(f"b{n}" for n in range(6)), "c"]
    begun = [line for line in journal if line.startswith("start")]
    assert begun == [f"start support/{each}" for each in order]


@pytest.mark.promise(id="SEM-529")
async def test_a_conversation_whose_asker_left_the_line_never_begins(journal: Journal) -> None:
    child = Remembers("template", journal, mailbox_size=1, cancel_on_timeout=True)
    support = ConversationPool("support", child, max_live=1)
    async with Runtime(Supervisor("root", [support]), drain_timeout=5) as runtime:
        holding = asyncio.create_task(runtime.ask("support", 1, "hold", conversation="a"))
        await journal.until("hold support/a")
        leaving = [asyncio.create_task(tell(runtime, n, f"b{n}")) for n in range(3)]
        await eventually(lambda: len(awake(runtime)) == 4)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        assert awake(runtime) == ["support/a"]
        child.release.set()
        await holding
        assert (await tell(runtime, 1, "b0"))[2] == [1]


@pytest.mark.promise(id="SEM-529")
async def test_senders_in_the_line_of_a_pool_are_refused_when_it_stops(journal: Journal) -> None:
    child = Remembers("template", journal, mailbox_size=1, shutdown_timeout=0)
    support = ConversationPool("support", child, max_live=1)
    runtime = Runtime(Supervisor("root", [support]), drain_timeout=0.02)
    await runtime.start()
    asking = [
        asyncio.create_task(error_of(runtime.ask("support", 1, "hold", conversation=f"b{n}")))
        for n in range(4)
    ]
    await journal.until("hold support/b0")
    await runtime.stop()
    assert [type(await each) for each in asking] == [AgentTerminated] * 4


@pytest.mark.promise(id="SEM-525")
async def test_two_hundred_conversations_run_beside_each_other_each_in_order(
    journal: Journal,
) -> None:
    async with pool(journal) as runtime:

        async def talk(conversation: str) -> list[int]:
            last: list[int] = []
            for n in range(3):
                last = (await tell(runtime, n, conversation))[2]
            return last

        results = await asyncio.gather(*(talk(f"c{n}") for n in range(200)))
        assert results == [[0, 1, 2]] * 200


@pytest.mark.promise(id="SEM-526")
async def test_a_conversation_that_crashes_or_hangs_disturbs_no_other(journal: Journal) -> None:
    async with pool(journal, max_restarts=1, child={"shutdown_timeout": 0}) as runtime:
        hanging = asyncio.create_task(
            error_of(runtime.ask("support", 1, "hold", conversation="hangs"))
        )
        await journal.until("hold support/hangs")
        for _ in range(2):
            assert isinstance(await crash(runtime, "support/crashes"), HandlerFailed)
        await eventually(lambda: awake(runtime) == ["support/hangs"])
        assert await tell(runtime, 1, "fine") == ["support/fine", "fine", [1]]
        assert await tell(runtime, 1, "crashes") == ["support/crashes", "crashes", [1]]
        runtime.drain_timeout = 0
        await runtime.stop()
        assert isinstance(await hanging, AgentTerminated)


@pytest.mark.promise(id="SEM-527")
async def test_a_message_that_comes_while_a_conversation_goes_to_sleep_is_handled(
    journal: Journal,
) -> None:
    clock = ManualClock()
    asleep = asyncio.Event()

    class SlowToSleep(Remembers):
        async def on_stop(self) -> None:
            self.journal.write("going to sleep")
            await asleep.wait()

    support = ConversationPool("support", SlowToSleep("t", journal), idle_timeout=60)
    async with Runtime(Supervisor("root", [support]), clock=clock) as runtime:
        await tell(runtime, 1, "ann")
        await asyncio.sleep(0)
        clock.advance(61)
        await journal.until("going to sleep")
        telling = asyncio.create_task(tell(runtime, 2, "ann"))
        await asyncio.sleep(0)
        asleep.set()
        assert (await telling)[2] == [1, 2]


@pytest.mark.promise(id="SEM-522")
async def test_the_state_of_every_conversation_outlives_the_runtime(journal: Journal) -> None:
    store = InMemoryStateStore()
    for expected in ([1], [1, 1]):
        async with pool(journal, state_store=store) as runtime:
            assert (await tell(runtime, 1, "ann"))[2] == expected


async def test_a_conversation_that_asks_its_own_pool_is_a_cycle(journal: Journal) -> None:
    class AsksItself(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply((await self.ask("support", 1)).payload)

    support = ConversationPool("support", AsksItself("t"))
    async with Runtime(Supervisor("root", [support])) as runtime:
        error = await error_of(runtime.ask("support", 1, conversation="ann", timeout=5))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "AskCycle"
        assert awake(runtime) == ["support/ann"]  # and none was begun for the ask that was refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"child": Supervisor("x")}, "child must be an agent"),
        ({"idle_timeout": 0}, "idle_timeout"),
        ({"max_live": 0}, "max_live"),
        ({"name": "a/b"}, "pool's name"),
    ],
)
def test_a_wrong_argument_is_refused(arguments: dict[str, Any], words: str) -> None:
    given = {"name": "support", "child": AgentProcess("t"), **arguments}
    with pytest.raises(ConfigurationError, match=words):
        ConversationPool(**given)


async def test_a_pool_that_was_stopped_leaves_no_timer_behind(journal: Journal) -> None:
    clock = ManualClock()
    async with pool(journal, clock=clock) as runtime:
        await tell(runtime, 1, "ann")
        await clock.timers()
    assert clock.pending == []


@pytest.mark.promise(id="SEM-528")
async def test_a_pool_that_was_stopped_refuses_at_once_and_wakes_nobody(journal: Journal) -> None:
    async with pool(journal) as runtime:
        await tell(runtime, 1, "ann")
        await runtime.terminate_child("root", "support")
        for conversation in ("ann", "bob"):
            asking = runtime.ask("support", 1, "tell", conversation=conversation, timeout=5)
            assert isinstance(await error_of(asking), AgentTerminated)
        await runtime.restart_child("root", "support")
        assert (await tell(runtime, 2, "ann"))[2] == [1, 2]


async def test_a_message_to_a_pool_that_has_not_started_yet_waits_for_it(journal: Journal) -> None:
    class Early(Actor):
        async def on_start(self) -> None:
            await self.send("support", "early", "tell", conversation="ann")

    children: list[ChildSpec] = [
        Early("early", journal),
        ConversationPool("support", Remembers("t", journal)),
    ]
    async with Runtime(Supervisor("root", children)) as runtime:
        assert (await tell(runtime, 2, "ann"))[2] == ["early", 2]


@pytest.mark.parametrize("how", ["crash", "stop", "terminate"])
async def test_the_place_of_a_conversation_that_ended_goes_to_the_next_one(
    journal: Journal, how: str
) -> None:
    options = {"restart": "temporary", "shutdown_timeout": 0}
    async with pool(journal, max_live=1, child=options) as runtime:
        holding = asyncio.create_task(error_of(runtime.ask("support", 1, "hold", conversation="a")))
        await journal.until("hold support/a")
        waiting = asyncio.create_task(tell(runtime, 2, "b"))
        await asyncio.sleep(0)
        if how == "terminate":
            await runtime.terminate_child("support", "support/a")
        else:
            await runtime.restart("support/a")
            assert isinstance(await holding, AgentTerminated)
            with contextlib.suppress(HandlerFailed):
                await runtime.ask("support", 3, how, conversation="a")
        assert (await waiting)[2] == [2]
        await asyncio.wait({holding})
