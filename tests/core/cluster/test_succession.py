"""A root that leads takes over the members of the last one, and what runs there."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
import pytest_asyncio

from civitas import (
    AgentProcess,
    ConversationPool,
    DynamicSupervisor,
    Message,
    NodeDown,
    SupervisorGaveUp,
    UnknownAgent,
)
from civitas.testing.memory_transport import MemoryTransport
from tests.core.cluster.several_roots import SeveralRoots, ask_from, crash, until

STARTS: list[str] = []
"""The starts of agents: all nodes share this process."""
JOURNAL: list[object] = []
"""What agents wrote down."""


@pytest_asyncio.fixture(autouse=True)
async def _clean() -> None:
    STARTS.clear()
    JOURNAL.clear()
    Worker.go = asyncio.Event()


class DoesNotStart(AgentProcess):
    """An agent of a version that is broken."""

    async def on_start(self) -> None:
        raise RuntimeError("this version is broken")


class Worker(AgentProcess):
    """Counts its messages in memory, so that whoever restarts it is found out."""

    go: asyncio.Event
    """Lets those go on that wait."""

    def __init__(self, name: str, **keywords: object) -> None:
        super().__init__(name, **keywords)  # type: ignore[arg-type]
        self.count = 0

    async def on_start(self) -> None:
        STARTS.append(self.name)

    async def handle(self, message: Message) -> Message | None:
        self.count += 1
        match message.type:
            case "wait":
                JOURNAL.append("waits")
                await self.go.wait()
            case "ask":
                return await self.ask(message.payload, 1)
            case "ask slowly":
                try:
                    JOURNAL.append((await self.ask(message.payload, 2, "wait")).payload)
                except NodeDown:
                    JOURNAL.append("NodeDown")
            case "spawn":
                await self.spawn(Worker, message.payload)
            case "crash":
                raise ValueError("as it was told")
        return self.reply({"count": self.count})


PLACED = {"w": {"far": Worker}, "v": {"other": Worker}}


@pytest.mark.promise(id="SEM-1485")
async def test_agents_of_members_run_on_under_the_next_root():
    async with SeveralRoots(PLACED) as roots:
        await roots.runtime.ask("far", 1)
        await roots.kill_root()
        runtime = await roots.next_root()
        assert (await runtime.ask("far", 1)).payload == {"count": 2}
        assert STARTS == ["far", "other"]
        assert (await runtime.ask("far", "other", "ask")).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1486")
async def test_an_ask_between_members_is_answered_across_the_takeover():
    async with SeveralRoots(PLACED) as roots:
        await roots.runtime.send("far", "other", "ask slowly")
        await until(lambda: "waits" in JOURNAL)
        await roots.kill_root()
        await roots.next_root()
        Worker.go.set()
        await until(lambda: {"count": 1} in JOURNAL)


@pytest.mark.promise(id="SEM-1487")
async def test_an_ask_to_an_agent_of_the_root_that_is_gone_ends_at_once():
    async with SeveralRoots(PLACED, here=lambda: [Worker("here")]) as roots:
        await roots.runtime.send("far", "here", "ask slowly")
        await until(lambda: "waits" in JOURNAL)
        await roots.kill_root()
        await until(lambda: "NodeDown" in JOURNAL)
        runtime = await roots.next_root()
        assert (await runtime.ask("far", "here", "ask")).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1488")
async def test_a_name_that_is_sought_while_no_root_leads_is_found_when_one_does():
    async with SeveralRoots(PLACED, here=lambda: [Worker("here")]) as roots:
        await roots.kill_root()
        far = roots.members["w"].registry["far"]
        asking = asyncio.create_task(ask_from(roots, "w", "far", "here"))
        await asyncio.sleep(0)
        await roots.next_root()
        assert await asking == {"count": 1}
        assert far.alive


@pytest.mark.promise(id="SEM-1488")
async def test_a_name_that_is_sought_at_a_root_whose_end_nobody_saw_is_found_by_the_next():
    async with SeveralRoots(PLACED, here=lambda: [Worker("here")]) as roots:
        await roots.kill_root(seen=False)
        asking = asyncio.create_task(ask_from(roots, "w", "far", "here"))
        await asyncio.sleep(0.01)
        await roots.next_root()
        assert await asking == {"count": 1}


@pytest.mark.promise(id="SEM-1461")
async def test_agents_run_on_although_their_root_was_killed_at_once():
    async with SeveralRoots(PLACED) as roots:
        await roots.kill_root(at_once=True)
        runtime = await roots.next_root()
        assert (await runtime.ask("far", 1)).payload == {"count": 1}
        assert STARTS == ["far", "other"]


@pytest.mark.promise(id="SEM-1462")
async def test_a_member_that_another_one_was_told_to_be_gone_is_not_taken_over():
    async with SeveralRoots(PLACED) as roots:
        await roots.runtime.ask("far", "other", "ask")
        await roots.runtime.send("far", "other", "ask slowly")
        await until(lambda: "waits" in JOURNAL)
        other = roots.members["v"]
        roots.members["w"]._letters.part(other._joining.boot, "it could not be reached")
        await roots.kill_root(at_once=True)
        starting = await roots.start_root()
        assert other.ended is not None
        assert "the last root went on without it" in await other.ended
        await roots.join("v")
        await starting
        Worker.go.set()
        assert (await roots.runtime.ask("far", "other", "ask")).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1485")
async def test_what_was_spawned_in_a_member_runs_on_under_its_supervisor():
    async with SeveralRoots(PLACED, children=lambda: [DynamicSupervisor("sessions")]) as roots:
        await roots.runtime.ask("far", "one", "spawn")
        await roots.runtime.ask("one", 1)
        await roots.kill_root()
        runtime = await roots.next_root()
        await until(lambda: runtime.which_children("sessions"))
        assert (await runtime.ask("one", 1)).payload == {"count": 2}
        assert STARTS.count("one") == 1
        await crash(runtime, "one")
        assert (await runtime.ask("one", 1)).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1470")
async def test_what_was_spawned_in_a_process_that_ended_with_its_root_can_be_spawned_again():
    sessions = lambda: [DynamicSupervisor("sessions")]  # noqa: E731
    async with SeveralRoots(PLACED, children=sessions, node_timeout=0.5) as roots:
        await roots.runtime.ask("other", "one", "spawn")
        await roots.kill_root()
        gone = roots.members.pop("v")
        assert isinstance(gone.transport, MemoryTransport)
        roots.network.kill(gone.transport)
        gone.end("the test ended it")
        starting = await roots.start_root()
        await roots.join("v")
        await starting
        with pytest.raises(UnknownAgent):
            await roots.runtime.ask("one", 1)
        await roots.runtime.ask("other", "one", "spawn")
        assert (await roots.runtime.ask("one", 1)).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1489")
async def test_what_the_next_root_does_not_have_is_ended():
    async with SeveralRoots(PLACED, children=lambda: [DynamicSupervisor("sessions")]) as roots:
        await roots.runtime.ask("far", "one", "spawn")
        await roots.kill_root()
        roots.children = list
        runtime = await roots.next_root()
        await until(lambda: "one" not in roots.members["w"].registry)
        with pytest.raises(UnknownAgent):
            await runtime.ask("one", 1)


async def test_an_agent_that_crashed_while_no_root_led_is_started_by_the_next():
    async with SeveralRoots(PLACED) as roots:
        await roots.runtime.ask("far", 1)
        await roots.kill_root()
        await ask_from(roots, "w", "far", 1, "crash")
        await until(lambda: not roots.members["w"].registry["far"].alive)
        runtime = await roots.next_root()
        assert (await runtime.ask("far", 1)).payload == {"count": 1}
        assert STARTS.count("far") == 2


async def test_a_member_that_ended_while_no_root_led_is_down_for_the_next_one_and_for_the_others():
    async with SeveralRoots(PLACED, node_timeout=0.5) as roots:
        await roots.runtime.ask("far", "other", "ask")
        await roots.runtime.send("far", "other", "ask slowly")
        await until(lambda: "waits" in JOURNAL)
        await roots.kill_root()
        gone = roots.members.pop("v")
        assert isinstance(gone.transport, MemoryTransport)
        roots.network.kill(gone.transport)
        gone.end("the test ended it")
        starting = await roots.start_root()
        await until(lambda: "NodeDown" in JOURNAL)
        await roots.join("v")
        await starting
        assert (await roots.runtime.ask("far", "other", "ask")).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1547")
@pytest.mark.parametrize("kind", ["agent", "pool"])
async def test_the_next_root_knows_which_replica_has_a_conversation(kind: str) -> None:
    def replica() -> type[AgentProcess] | ConversationPool:
        return ConversationPool("support", Worker("support")) if kind == "pool" else Worker

    placed: dict[str, dict[str, type[AgentProcess] | ConversationPool]] = {"w": {"far": Worker}}
    placed |= {f"p-{n}": {f"support-{n}": replica()} for n in (1, 2, 3)}
    async with SeveralRoots(placed, family="support") as roots:
        for n in range(3):  # one each
            await roots.runtime.send("support", n, "wait", conversation=f"c{n}")
        while len(JOURNAL) < 3:
            await asyncio.sleep(0)
        group = roots.runtime._node._relay.group("support")  # type: ignore[attr-defined]
        before = {f"c{n}": group.holder(f"c{n}") for n in range(3)}
        assert len(set(before.values())) == 3
        await roots.kill_root()
        runtime = await roots.next_root()
        asking = [
            asyncio.create_task(runtime.ask("support", 1, conversation=each, timeout=5))
            for each in reversed(before)
        ]
        await asyncio.sleep(0)
        Worker.go.set()
        counts = [(await each).payload for each in asking]
        assert counts == [{"count": 2}] * 3  # the same incarnation, which has not been restarted
        after = runtime._node._relay.group("support")  # type: ignore[attr-defined]
        assert {each: after.holder(each) for each in before} == before


@pytest.mark.promise(id="SEM-1550")
async def test_replicas_that_were_added_run_on_under_the_next_root():
    placed = {f"p-{n}": {f"support-{n}": Worker} for n in (1, 2)}
    async with SeveralRoots(placed, family="support") as roots:
        scaling = asyncio.create_task(roots.runtime.scale("support", 3))
        await roots.join("p-3", {"support-3": Worker})
        await scaling
        senders = {
            each: (await roots.runtime.ask("support", 1, conversation=each)).sender
            for each in ("c1", "c2", "c3")
        }
        await roots.kill_root()
        runtime = await roots.next_root()
        names = [each["name"] for each in runtime.which_children("support")]
        assert names == ["support-1", "support-2", "support-3"]
        for each, sender in senders.items():
            reply = await runtime.ask("support", 1, conversation=each)
            assert (reply.sender, reply.payload) == (sender, {"count": 2})
        assert sorted(STARTS) == names


@pytest.mark.promise(id="SEM-1550")
async def test_replicas_that_were_removed_do_not_come_back_with_the_next_root():
    placed = {f"p-{n}": {f"support-{n}": Worker} for n in (1, 2)}
    async with SeveralRoots(placed, family="support") as roots:
        await roots.runtime.scale("support", 1)
        await roots.kill_root()
        runtime = await roots.next_root()
        assert [each["name"] for each in runtime.which_children("support")] == ["support-1"]
        await runtime.scale("support", 2)
        await roots.kill_root()
        runtime = await roots.next_root()
        assert len(runtime.which_children("support")) == 2


@pytest.mark.promise(id="SEM-1549")
async def test_what_an_agent_has_already_is_not_handled_again_when_another_root_hands_it_on() -> (
    None
):
    class Sure(Worker):
        def __init__(self, name: str) -> None:
            super().__init__(name, delivery="at_least_once")

    async with SeveralRoots({"w": {"far": Sure}, "v": {"other": Sure}}) as roots:
        await roots.runtime.send("far", "other", "ask slowly")
        while "waits" not in JOURNAL:
            await asyncio.sleep(0)
        await roots.kill_root()
        runtime = await roots.next_root()
        asking = asyncio.create_task(runtime.ask("other", 1, timeout=5))
        for _ in range(100):
            await asyncio.sleep(0)
        Worker.go.set()
        assert (await asking).payload == {"count": 2}
        while len(JOURNAL) < 2:
            await asyncio.sleep(0)
        assert JOURNAL == ["waits", {"count": 1}]
        assert (await runtime.ask("other", 1, timeout=5)).payload == {"count": 3}


@pytest.mark.promise(id="SEM-1491")
async def test_a_root_that_is_stopped_leaves_the_members_to_the_one_that_waits():
    async with SeveralRoots(PLACED, here=lambda: [Worker("here")]) as roots:
        await roots.runtime.ask("far", "other", "ask")
        await roots.runtime.ask("far", "here", "ask")
        await roots.stop_root()
        runtime = await roots.next_root()
        assert (await runtime.ask("far", "other", "ask")).payload == {"count": 2}
        assert (await runtime.ask("far", "here", "ask")).payload == {"count": 1}
        assert sorted(STARTS) == ["far", "here", "here", "other"]


@pytest.mark.promise(id="SEM-1834")
async def test_a_root_that_does_not_start_leaves_the_members_to_the_next_one():
    here: type[AgentProcess] = Worker
    async with SeveralRoots(PLACED, here=lambda: [here("here")]) as roots:
        await roots.runtime.ask("far", "other", "ask")
        await roots.stop_root()
        here = DoesNotStart
        assert "this version is broken" in str(await roots.fail_root())
        here = Worker
        runtime = await roots.next_root()
        assert (await runtime.ask("far", "other", "ask", timeout=5)).payload == {"count": 2}
        assert sorted(STARTS) == ["far", "here", "here", "other"]


@pytest.mark.promise(id="SEM-1492")
@pytest.mark.parametrize(("patience", "lives"), [(0.01, False), (math.inf, True)])
async def test_a_member_waits_for_the_next_root_as_long_as_it_was_told(
    patience: float, lives: bool
):
    async with SeveralRoots(PLACED, patience=patience) as roots:
        member = roots.members["w"]
        await roots.kill_root()
        await asyncio.sleep(0.05)
        assert member.ended is not None
        assert member.ended.done() is not lives
        if lives:
            runtime = await roots.next_root()
            assert (await runtime.ask("far", 1)).payload == {"count": 1}


@pytest.mark.promise(id="SEM-1493")
async def test_a_member_that_its_root_has_gone_on_without_is_told_so_and_ends():
    async with SeveralRoots(PLACED) as roots:
        member = roots.members["w"]
        root: Any = roots.runtime._node
        root.membership.departures.end(root.peers.by_name["w"], "the test cut it off")
        member.root_is_gone("it could not be reached")
        assert member.ended is not None
        async with asyncio.timeout(5):
            assert "went on without it" in await member.ended


@pytest.mark.promise(id="SEM-1494")
async def test_the_restarts_of_the_last_root_count_under_the_next():
    async with SeveralRoots(PLACED, max_restarts=2, restart_window=60.0) as roots:
        for _ in range(2):
            await crash(roots.runtime, "far")
        await roots.kill_root()
        runtime = await roots.next_root()
        await runtime.send("far", 1, "crash")
        async with asyncio.timeout(5):
            with pytest.raises(SupervisorGaveUp):
                await runtime.wait()
