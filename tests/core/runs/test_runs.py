"""Runs of durable agents in one program: their names, their answers, and their order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    AskTimeout,
    ConfigurationError,
    HandlerFailed,
    MailboxFull,
    NoReply,
    RunConflict,
    StateStoreError,
    UnknownRun,
)
from civitas.message import Message
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool, DynamicSupervisor
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.runs.support import Recorder, durable, system
from tests.core.support import Actor, Journal, error_of, eventually


@pytest.mark.promise(id="SEM-1611")
async def test_a_message_is_in_the_store_before_send_returns(journal: Journal) -> None:
    store = InMemoryStateStore()
    async with system(durable(journal), store=store) as runtime:
        await runtime.send("a", 1, "hold")
        await runtime.send("a", 2)
        assert len(await store.keys("civitas:runs:accepted:")) == 2


@pytest.mark.promise(id="SEM-1612")
async def test_what_was_accepted_is_handled_at_the_next_start_in_order_and_once(
    journal: Journal,
) -> None:
    store = InMemoryStateStore()
    async with system(durable(journal), store=store) as runtime:
        await runtime.send("a", 0, "hold")
        for number in range(1, 50):
            await runtime.send("a", number)
    async with system(Recorder("a", journal, delivery="durable"), store=store) as runtime:
        assert (await runtime.ask("a", 50)).payload == 50
        await eventually(lambda: not runtime.runs("accepted"))
    assert [entry for entry in journal if entry[0].isdigit()] == [f"{n} 0" for n in range(51)]
    async with system(Recorder("a", journal, delivery="durable"), store=store) as runtime:
        await runtime.ask("a", 51)
    assert journal[-1] == "51 0"


@pytest.mark.promise(id="SEM-1613")
async def test_the_same_name_and_payload_is_the_same_run(journal: Journal) -> None:
    agent = Recorder("a", journal, delivery="durable")
    store = InMemoryStateStore()
    async with system(agent, store=store) as runtime:
        first = await runtime.ask("a", {"x": 1, "y": 2}, run="order-17")
        again = await runtime.ask("a", {"y": 2, "x": 1}, run="order-17")
        await runtime.send("a", {"x": 1, "y": 2}, run="order-17")
    assert (first.run, again.run) == ("order-17", "order-17")
    async with system(Recorder("a", journal, delivery="durable"), store=store) as runtime:
        later = await runtime.ask("a", {"x": 1, "y": 2}, run="order-17")
    assert first.payload == again.payload == later.payload
    assert len(journal) == 1


async def test_a_long_answer_is_there_again_in_the_same_program(journal: Journal) -> None:
    async with system(durable(journal)) as runtime:
        first = await runtime.ask("a", "x" * 100_000, run="long")
        assert (await runtime.result("long")).payload == first.payload


async def test_who_asks_while_the_run_of_that_name_is_under_way_waits_for_it(
    journal: Journal,
) -> None:
    agent = durable(journal)
    async with system(agent) as runtime:
        both = [asyncio.create_task(runtime.ask("a", 1, "hold", run="r")) for _ in range(2)]
        await journal.until("hold a")
        agent.release.set()
        assert [reply.payload for reply in await asyncio.gather(*both)] == [1, 1]
        assert agent.handled == [1]


@pytest.mark.promise(id="SEM-1614")
@pytest.mark.parametrize("over", [True, False])
async def test_another_payload_under_the_same_name_is_refused(journal: Journal, over: bool) -> None:
    async with system(durable(journal), durable(journal, "b")) as runtime:
        await runtime.send("a", 1, "message" if over else "hold", run="r")
        if over:
            await runtime.result("r")
        for to, payload in (("a", 2), ("b", 1)):
            conflict = await error_of(runtime.ask(to, payload, run="r"))
            assert isinstance(conflict, RunConflict)
            assert (conflict.run, conflict.agent) == ("r", "a")
        assert isinstance(await error_of(runtime.send("a", 2, run="r")), RunConflict)


async def test_a_name_for_an_agent_that_keeps_nothing_is_refused(journal: Journal) -> None:
    async with system(Actor("a", journal)) as runtime:
        for call in (runtime.ask, runtime.send):
            with pytest.raises(ConfigurationError, match="delivery='durable'"):
                await call("a", 1, run="r")


async def test_an_ask_of_another_agent_names_no_run(journal: Journal) -> None:
    async with system(Actor("a", journal, shutdown_timeout=0)) as runtime:
        late = await error_of(runtime.ask("a", 1, "hold", timeout=0.01))
        assert isinstance(late, AskTimeout)
        assert late.run is None


async def test_the_result_of_what_failed_is_the_error_that_its_ask_got(journal: Journal) -> None:
    store = InMemoryStateStore()
    async with system(durable(journal, max_deliveries=2), store=store) as runtime:
        assert isinstance(await error_of(runtime.ask("a", 1, "crash", run="r")), HandlerFailed)
        assert isinstance(await error_of(runtime.ask("a", 1, "none", run="n")), NoReply)
        (failed,) = runtime.runs("failed")
        assert (failed.run, failed.deliveries) == ("r", 2)
        assert failed.error == "ValueError: a crashes"
    async with system(durable(journal), store=store) as runtime:
        error = await error_of(runtime.result("r"))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "ValueError"
        assert isinstance(await error_of(runtime.result("n")), NoReply)
        assert isinstance(await error_of(runtime.result("no such run")), UnknownRun)


@pytest.mark.promise(id="SEM-1618")
async def test_answers_are_dropped_when_they_were_kept_for_long_enough(journal: Journal) -> None:
    store = InMemoryStateStore()
    async with system(durable(journal), store=store, results=0.05) as runtime:
        await runtime.ask("a", 1, run="r")
        async with asyncio.timeout(5):
            while await store.keys("civitas:runs:"):
                await asyncio.sleep(0.005)
        assert isinstance(await error_of(runtime.result("r")), UnknownRun)
        assert runtime.runs() == []


async def test_runs_are_listed_by_status_and_agent(journal: Journal) -> None:
    async with system(durable(journal), durable(journal, "b")) as runtime:
        await runtime.ask("a", 1, run="first")
        await runtime.send("b", 2, "hold", run="second", conversation="c")
        await runtime.send("b", 3, run="third")
        await journal.until("hold b")
        found = [(info.run, str(info.status)) for info in runtime.runs()]
        assert found == [("first", "done"), ("second", "running"), ("third", "accepted")]
        assert [info.run for info in runtime.runs(agent="b", status="running")] == ["second"]
        assert runtime.runs("running")[0].conversation == "c"
        with pytest.raises(ConfigurationError, match="did you mean 'running'"):
            runtime.runs("runing")


@pytest.mark.promise(id="SEM-1619")
async def test_senders_wait_for_room_as_at_any_mailbox(journal: Journal) -> None:
    agent = durable(journal, mailbox_size=2)
    async with system(agent) as runtime:
        for number in range(3):
            await runtime.send("a", number, "hold")
        assert isinstance(await error_of(runtime.send("a", 3, timeout=0.01)), MailboxFull)
        sending = asyncio.create_task(runtime.send("a", 4))
        await asyncio.sleep(0)
        assert not sending.done()
        agent.release.set()
        await sending
        await eventually(lambda: agent.handled == [0, 1, 2, 4])


async def test_the_order_of_concurrent_senders_is_that_in_which_they_came(journal: Journal) -> None:
    agent = durable(journal, mailbox_size=3)
    async with system(agent) as runtime:
        await asyncio.gather(*(runtime.send("a", number) for number in range(40)))
        await eventually(lambda: len(agent.handled) == 40)
        assert agent.handled == list(range(40))


class FullDisk(InMemoryStateStore):
    """A store that takes nothing while it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    async def set(self, key: str, value: Any) -> None:
        if self.is_full:
            raise StateStoreError("the disk is full", key=key)
        await super().set(key, value)

    async def write(self, changes: Any, *, expect: Any = {}) -> dict[str, int]:  # noqa: B006
        if self.is_full:
            raise StateStoreError("the disk is full")
        return await super().write(changes, expect=expect)


@pytest.mark.promise(id="SEM-1620")
async def test_what_cannot_be_kept_is_refused_and_not_handled(journal: Journal) -> None:
    store, agent = FullDisk(), durable(journal)
    async with system(agent, store=store) as runtime:
        store.is_full = True
        for call in (runtime.ask("a", 1), runtime.send("a", 2), runtime.ask("a", 3, run="r")):
            assert isinstance(await error_of(call), StateStoreError)
        store.is_full = False
        assert (await runtime.ask("a", 3, run="r")).payload == 3
        assert agent.handled == [3]
        assert await store.keys("civitas:runs:accepted:") == []


async def test_what_waits_for_an_agent_that_is_stopped_goes_on_when_it_is_started_again(
    journal: Journal,
) -> None:
    async with system(durable(journal)) as runtime:
        await runtime.send("a", 1, "hold", run="held")
        waiting = asyncio.create_task(error_of(runtime.ask("a", 2, run="r")))
        await journal.until("hold a")
        await asyncio.sleep(0)
        await runtime.terminate_child("root", "a")
        assert isinstance(await waiting, AgentTerminated)
        assert {info.run for info in runtime.runs("accepted")} == {"held", "r"}
        assert await runtime.cancel("held")
        await runtime.restart_child("root", "a")
        assert (await runtime.result("r")).payload == 2


async def test_the_conversations_of_a_pool_go_on_beside_each_other(journal: Journal) -> None:
    store = InMemoryStateStore()
    pool = ConversationPool("p", durable(journal, "p"), max_live=2)
    async with system(pool, store=store) as runtime:
        for number in range(30):
            await runtime.send("p", number, "hold", conversation=f"c{number % 10}")
        await runtime.send("p", 30)
    names: set[str] = set()

    class Notes(Recorder):
        async def handle(self, message: Message) -> Message | None:
            names.add(self.name)
            return await super().handle(message)

    pool = ConversationPool("p", Notes("p", journal, delivery="durable"), max_live=2)
    async with system(pool, store=store) as runtime:
        await eventually(lambda: len(runtime.runs("done")) == 31)
    handled = [int(entry.split()[0]) for entry in journal if entry[0].isdigit()]
    assert sorted(handled) == list(range(31))
    for number in range(10):
        mine = [each for each in handled if each < 30 and each % 10 == number]
        assert mine == sorted(mine)
    assert len(names) == 11


async def test_what_is_for_an_agent_that_is_gone_stays_and_is_told(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    store = InMemoryStateStore()
    async with system(durable(journal), store=store) as runtime:
        await runtime.send("a", 0, "hold", run="r")
        await runtime.send("a", 1)
    async with system(Actor("a", journal), store=store) as runtime:
        assert "2 accepted runs are for 'a'" in caplog.text
        assert len(runtime.runs("accepted")) == 2
        assert await runtime.cancel("r")
    async with system(Recorder("a", journal, delivery="durable"), store=store) as runtime:
        await eventually(lambda: journal.count("1 0"))
        assert journal.count("0 0") == 0


async def test_a_child_that_is_spawned_again_has_what_waited_for_one_of_its_name(
    journal: Journal,
) -> None:
    store = InMemoryStateStore()
    children = DynamicSupervisor("children")
    async with system(children, store=store) as runtime:
        await runtime.start_child("children", durable(journal, "d"))
        await runtime.send("d", 0, "hold")
        await runtime.send("d", 1)
    async with system(DynamicSupervisor("children"), store=store) as runtime:
        await runtime.start_child("children", Recorder("d", journal, delivery="durable"))
        await eventually(lambda: journal.count("1 0"))


async def test_steps_of_what_goes_on_after_a_restart_are_not_done_again(journal: Journal) -> None:
    done: list[str] = []

    class Steps(Actor):
        async def handle(self, message: Message) -> Message | None:
            await self.step("one", done.append, "one")
            await super().handle(message)
            await self.step("two", done.append, "two")
            return self.reply(done)

    store = InMemoryStateStore()
    agent = Steps("a", journal, delivery="durable", shutdown_timeout=0)
    async with system(agent, store=store) as runtime:
        await runtime.send("a", 1, "hold", run="r")
        await journal.until("hold a")
    agent = Steps("a", journal, delivery="durable")
    agent.release.set()
    async with system(agent, store=store) as runtime:
        assert (await runtime.result("r")).payload == ["one", "two"]
    assert await store.keys("civitas:step:") == []


async def test_an_ask_that_would_wait_for_itself_says_so_though_its_agents_are_durable(
    journal: Journal,
) -> None:
    class Asks(Actor):
        async def handle(self, message: Message) -> Message | None:
            other = {"a": "b", "b": "a"}[self.name]
            return self.reply((await self.ask(other, 1, timeout=5)).payload)

    pair = [Asks(name, journal, delivery="durable", max_deliveries=1) for name in "ab"]
    async with system(*pair) as runtime:
        error = await error_of(runtime.ask("a", 1, timeout=5))
        assert "AskCycle" in str(error)


@pytest.mark.promise(id="SEM-1648")
@pytest.mark.parametrize("where", ["root", "a worker"])
async def test_an_orderly_stop_is_no_delivery_of_what_is_in_hand(
    journal: Journal, where: str
) -> None:
    """Else a message that may be given to one incarnation alone would be given up, though nobody failed."""
    store = InMemoryStateStore()
    keywords = {"delivery": "durable", "shutdown_timeout": 0, "max_deliveries": 1}
    given = {"state_store": store, "drain_timeout": 0.05}
    if where == "root":
        async with system(durable(journal, max_deliveries=1), store=store) as runtime:
            await runtime.send("a", 1, "hold", run="r")
            await journal.until("hold a")
    else:
        network, agents = MemoryNetwork(), {"w": {"a": Actor}}
        keywords["journal"] = journal
        async with Nodes(network.transport, agents, keywords=keywords, given=given) as nodes:
            await nodes.runtime.send("a", 1, "hold", run="r")
            await journal.until("hold a")
    again = Recorder("a", journal, delivery="durable", max_deliveries=1)
    async with system(again, store=store) as runtime:
        assert (await runtime.result("r", timeout=5)).payload == 1
        assert runtime.runs()[0].deliveries == 1
    assert journal[-1] == "1 0"


@pytest.mark.promise(id="SEM-1612")
async def test_at_the_next_start_only_the_conversations_that_have_work_are_woken(
    journal: Journal,
) -> None:
    store = InMemoryStateStore()

    def pool() -> ConversationPool:
        return ConversationPool("p", durable(journal, "p"), idle_timeout=60)

    async with system(pool(), store=store) as runtime:
        for conversation in "abc":
            await runtime.ask("p", 1, conversation=conversation)
        await runtime.send("p", 2, "hold", conversation="b", run="r")
        await journal.until("hold p/b")
    journal.clear()
    async with system(pool(), store=store) as runtime:
        await journal.until("hold p/b")
        assert await runtime.cancel("r")
    assert [entry for entry in journal if entry.startswith("start")] == ["start p/b"]
