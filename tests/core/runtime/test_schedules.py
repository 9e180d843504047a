"""Agents with schedules, in one program, by a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from civitas.errors import StateStoreError
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from civitas.testing import ManualClock
from tests.core.support import Journal, eventually

START = 1_800_000_000.0
"""15 January 2027, 08:00 UTC."""


class Worker(AgentProcess):
    """Writes down when it was due, and for how many other times that stood."""

    def __init__(self, name: str, journal: Journal, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.journal = journal

    async def handle(self, message: Message) -> None:
        assert message.sender is None
        if message.type == "civitas.schedule":
            due, missed = message.payload["due"].timestamp() - START, message.payload["missed"]
            self.journal.write(f"{due:g}" + (f" and {missed}" if missed else ""))


class System:
    """A system that can be stopped and started again on one store, by one clock."""

    def __init__(self, **keywords: Any) -> None:
        self.store: Any = InMemoryStateStore()
        self.clock = ManualClock(START)
        self.journal = Journal()
        self.keywords = keywords

    def runtime(self, **keywords: Any) -> Runtime:
        worker = Worker("a", self.journal, **{**self.keywords, **keywords})
        return Runtime(Supervisor("root", [worker]), state_store=self.store, clock=self.clock)

    def kept(self) -> list[str]:
        """The keys of what is kept of schedules."""
        return [key for key in self.store._values if key.startswith("civitas:schedules:")]


DELIVERIES = pytest.mark.parametrize("delivery", ["durable", "at_most_once"])


@pytest.mark.promise(id="SEM-1661")
@DELIVERIES
async def test_every_so_often_a_message_comes_that_says_when_it_was_due(delivery: str) -> None:
    system = System(every="10m", delivery=delivery)
    async with system.runtime() as runtime:
        system.clock.advance(599)
        assert system.journal == []
        system.clock.advance(1)
        await system.journal.until("600")
        system.clock.advance(1200)
        await system.journal.until("1800")
        runs = [f"a@2027-01-15T08:{n}0:00Z" for n in (1, 2, 3)] if delivery == "durable" else []
        await eventually(lambda: [run.run for run in runtime.runs("done")] == runs)
    assert system.journal == ["600", "1200", "1800"]


@pytest.mark.promise(id="SEM-1661")
async def test_the_payload_may_be_given_and_the_time_is_in_a_header() -> None:
    class Reader(AgentProcess):
        async def handle(self, message: Message) -> None:
            journal.write(f"{message.payload} {message.headers['civitas-due']}")

    journal, clock = Journal(), ManualClock(START)
    reader = Reader(
        "a",
        schedule="30 9 * * *",
        timezone="Europe/Berlin",
        schedule_payload={"input": "the report"},
    )
    async with Runtime(Supervisor("root", [reader]), clock=clock):
        clock.advance(1800)
        await journal.until("{'input': 'the report'} 2027-01-15T09:30:00+01:00")


@pytest.mark.promise(id="SEM-1663")
@DELIVERIES
@pytest.mark.parametrize(
    ("missed", "made_up_for"),
    [("once", ["180 and 2"]), ("all", ["60", "120", "180"]), ("skip", [])],
)
async def test_what_was_missed_is_made_up_for_as_the_agent_says(
    delivery: str, missed: str, made_up_for: list[str]
) -> None:
    system = System(schedule="* * * * *", missed=missed, delivery=delivery)
    async with system.runtime():
        pass
    system.clock.advance(200)
    async with system.runtime():
        system.clock.advance(40)
        await system.journal.until("240")
    assert system.journal == [*made_up_for, "240"]


@pytest.mark.promise(id="SEM-1663")
async def test_nothing_was_missed_before_the_first_start_or_by_another_schedule() -> None:
    system = System(every=60, missed="all")
    async with system.runtime():
        pass
    system.clock.advance(200)
    async with system.runtime(every=50):
        system.clock.advance(50)
        await system.journal.until("250")
    assert system.journal == ["250"]


@pytest.mark.promise(id="SEM-1665")
async def test_a_clock_that_is_set_forward_makes_times_that_were_missed() -> None:
    system = System(every=60)
    async with system.runtime():
        system.clock.set(START + 200)
        system.clock.advance(1)
        await system.journal.until("180 and 2")
        system.clock.advance(39)
        await system.journal.until("240")


@pytest.mark.promise(id="SEM-1665")
async def test_a_clock_that_is_set_back_sends_nothing_twice_and_keeps_the_interval() -> None:
    hourly = System(schedule="*/10 * * * *")
    often = System(every=600)
    for system in (hourly, often):
        async with system.runtime():
            system.clock.advance(660)
            await system.journal.until("600")
            system.clock.set(START + 300)
            system.clock.advance(1)
            system.clock.advance(899)
            await system.journal.until("1200" if system is hourly else "901")
    assert hourly.journal == ["600", "1200"]
    assert often.journal == ["600", "901"]


@pytest.mark.promise(id="SEM-1665")
async def test_a_clock_that_was_years_ahead_stops_nothing_when_it_is_right_again() -> None:
    system = System(schedule="*/10 * * * *")
    system.clock.set(START + 9e7)
    async with system.runtime():
        system.clock.advance(600)
        await system.journal.until(f"{9e7 + 600:g}")
        system.clock.set(START + 30)
        system.clock.advance(570)
        await system.journal.until("600")


@pytest.mark.promise(id="SEM-1664")
@pytest.mark.parametrize("delivery", ["durable", "at_most_once"])
async def test_a_store_that_is_away_delays_what_is_due_and_loses_nothing(
    delivery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(InMemoryStateStore):
        fails = 0

        async def set(self, key: str, value: Any) -> None:
            if self.fails and key.startswith("civitas:schedules:"):
                self.fails -= 1
                raise StateStoreError("it is away", key=key)
            await super().set(key, value)

    monkeypatch.setattr("civitas.node.scheduler._AGAIN", 0.0)
    system = System(every=60, delivery=delivery)
    system.store = Away()
    async with system.runtime():
        system.store.fails = 2
        system.clock.advance(120)
        await system.journal.until("120")
    assert system.journal == ["60", "120"]


@pytest.mark.promise(id="SEM-1664")
async def test_what_was_accepted_and_not_noted_before_a_kill_is_not_sent_again() -> None:
    system = System(every=60, delivery="durable", missed="all")
    async with system.runtime():
        system.clock.advance(60)
        await system.journal.until("60")
    await system.store.set(
        "civitas:schedules:a", {"schedule": "every 60 s", "last": START}
    )  # as it was before
    async with system.runtime():
        system.clock.advance(60)
        await system.journal.until("120")
    assert system.journal == ["60", "120"]


async def test_an_agent_that_is_stopped_gets_nothing_and_one_that_is_started_again_goes_on() -> (
    None
):
    system = System(every=60)
    async with system.runtime() as runtime:
        dead: list[str] = []
        runtime.on("dead_letter", lambda event: dead.append(event.reason))
        await runtime.terminate_child("root", "a")
        system.clock.advance(60)
        await eventually(lambda: dead)
        await runtime.restart_child("root", "a")
        system.clock.advance(60)
        await system.journal.until("120")
    assert (system.journal, dead) == (["120"], ["terminated"])


async def test_an_agent_that_is_added_and_forgotten_while_the_system_runs() -> None:
    journal, clock = Journal(), ManualClock(START)
    tree = Supervisor("root", [DynamicSupervisor("more")])
    async with Runtime(tree, clock=clock) as runtime:
        await runtime.start_child("more", Worker("a", journal, every=60))
        await clock.timers()
        clock.advance(60)
        await journal.until("60")
        await runtime.terminate_child("more", "a")
        clock.advance(600)
        assert runtime.tree()["children"][0]["children"] == []
    assert journal == ["60"]


@pytest.mark.promise(id="SEM-1669")
@DELIVERIES
async def test_a_pool_gets_each_message_once_in_a_conversation_of_its_own(delivery: str) -> None:
    journal, clock = Journal(), ManualClock(START)
    pool = ConversationPool("a", Worker("a", journal, every=60, delivery=delivery))
    async with Runtime(Supervisor("root", [pool]), clock=clock) as runtime:
        await runtime.send("a", {}, conversation="somebody's")
        clock.advance(60)
        await journal.until("60")
        clock.advance(60)
        await journal.until("120")
    assert journal == ["60", "120"]


@pytest.mark.promise(id="SEM-1667")
async def test_the_tree_says_when_an_agent_is_due_next() -> None:
    system = System(schedule="*/5 * * * *")
    async with system.runtime() as runtime:
        assert runtime.tree()["children"][0]["next"] == START + 300
        assert "next" not in runtime.tree()


@pytest.mark.promise(id="SEM-1661")
async def test_the_clock_of_the_machine_is_what_counts_by_default() -> None:
    class Late(AgentProcess):
        async def handle(self, message: Message) -> None:
            late = (datetime.now(UTC) - message.payload["due"]).total_seconds()
            journal.write("in time" if 0 <= late < 5 else f"{late} s late")

    journal = Journal()
    async with Runtime(Supervisor("root", [Late("a", every=0.02)])):
        await journal.until("in time", 3)


@pytest.mark.promise(id="SEM-1651")
async def test_who_comes_back_with_its_schedule_has_missed_nothing() -> None:
    """Whether it was taken out of a running system, or out of the topology, or its schedule alone was."""
    system = System(every=60, missed="all")
    async with system.runtime() as runtime:
        await runtime.terminate_child("root", "a")
        await runtime.delete_child("root", "a")
        await eventually(lambda: not system.kept())
        system.clock.advance(200)
        await runtime.start_child("root", Worker("a", system.journal, every=60, missed="all"))
        await eventually(system.kept)
        system.clock.advance(60)
        await system.journal.until("260")
    async with system.runtime(every=None, missed="once"):
        await eventually(lambda: not system.kept())
    assert system.journal == ["260"]


@pytest.mark.promise(id="SEM-1651")
async def test_what_is_kept_of_an_agent_that_is_not_here_stays_for_a_month() -> None:
    """It may be one of another program, which uses the same store and does not run now."""
    system = System()
    for name, days in (("other", 29), ("gone", 31)):
        last = {"schedule": "every 60 s", "last": START - days * 86400}
        await system.store.set(f"civitas:schedules:{name}", last)
    async with system.runtime():
        await eventually(lambda: len(system.kept()) == 1)
    assert system.kept() == ["civitas:schedules:other"]
