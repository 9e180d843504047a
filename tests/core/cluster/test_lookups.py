"""A member finds a name when it uses it, and hears from then on what becomes of that; of others it hears nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from civitas import AgentProcess, AgentTerminated, Message, NodeDown, UnknownAgent
from civitas.cluster.door import Door
from civitas.cluster.frames import Kind, unpacked
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.cluster.quick_loop import QuickLoop

Told = list[tuple[str, str]]


class Far(AgentProcess):
    """Answers, asks others, crashes, or never answers."""

    heard: list[Any] = []

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "ask":
                reply = await self.ask(message.payload, self.name)
                return self.reply([reply.sender, reply.payload])
            case "broadcast":
                return self.reply(await self.broadcast(message.payload, self.name, "note"))
            case "later":
                self.send_after(0.01, message.payload, self.name, "note")
            case "note":
                self.heard.append((self.name, message.payload))
            case "crash":
                raise ValueError("as told")
            case "hang":
                await asyncio.Event().wait()
        return self.reply(message.payload)


@pytest.fixture(autouse=True)
def _clean() -> None:
    Far.heard.clear()


@asynccontextmanager
async def members(
    agents: dict[str, list[str]], *here: AgentProcess, **keywords: Any
) -> AsyncIterator[Nodes]:
    placed = {process: dict.fromkeys(names, Far) for process, names in agents.items()}
    nodes = Nodes(MemoryNetwork().transport, placed, *here, keywords=keywords)
    async with nodes:
        for member in nodes.members.values():
            member.open = True  # tests speak for their agents
        yield nodes


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What nodes are told from now on, and which: casts and calls by what they are for, other frames by their kind."""
    came: Told = []
    receive = Door.receive

    def record(self: Door, frame: Any) -> None:
        kind, _, *fields = unpacked(frame)
        what = {Kind.CAST: fields[:1], Kind.CALL: fields[1:2]}.get(kind) or [Kind(kind).name]
        came.append((self._name, what[0]))
        receive(self, frame)

    monkeypatch.setattr(Door, "receive", record)
    return came


def of(told: Told, node: str, *kinds: str) -> dict[str, int]:
    return dict(Counter(what for name, what in told if name == node and what in kinds))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-1531")
async def test_a_join_tells_nothing_of_names_and_of_other_members_however_many_there_are(
    told: Told,
):
    agents = {f"w{n}": [f"a{n}-{m}" for m in range(20)] for n in range(10)}
    async with members(agents) as nodes:
        await nodes.runtime.ask("a3-7", 1)
        assert not of(told, "w3", "facts", "met", "INTRODUCE")
        assert not of(told, "root", "whereis")
        assert set(nodes.members["w3"].registry) == set(agents["w3"])
        assert list(nodes.members["w3"].peers.by_name) == ["root"]


@pytest.mark.promise(id="SEM-1531")
async def test_a_name_is_asked_for_once_and_the_link_to_its_member_is_made_then(told: Told):
    async with members({"w": ["far"], "v": ["other"], "u": ["third"]}) as nodes:
        for _ in range(3):
            assert (await nodes.runtime.ask("far", "other", "ask")).payload == ["other", "far"]
        assert of(told, "root", "whereis") == {"whereis": 1}
        assert of(told, "w", "facts", "met") == {"facts": 1, "met": 1}
        assert of(told, "v", "INTRODUCE") == {"INTRODUCE": 1}
        assert not of(told, "u", "facts", "met", "INTRODUCE", "gone")


@pytest.mark.promise(id="SEM-1532")
async def test_what_becomes_of_an_agent_is_told_to_those_that_use_it_alone(told: Told):
    async with members({"w": ["far"], "v": ["other"], "u": ["third"]}) as nodes:
        await nodes.runtime.ask("far", "other", "ask")
        back = asyncio.Event()
        nodes.runtime.on("restarted", lambda _: back.set())
        told.clear()
        await nodes.runtime.send("other", 1, "crash")
        await back.wait()
        await nodes.lose("v")
        await nodes.join("v")
        assert (await nodes.runtime.ask("far", "other", "ask")).payload == ["other", "far"]
        assert of(told, "w", "facts", "gone", "met") == {"facts": 2, "gone": 1, "met": 1}
        assert not of(told, "u", "facts", "gone", "met")
        assert not of(told, "root", "whereis")


@pytest.mark.promise(id="SEM-1533")
async def test_a_name_that_nobody_has_is_refused_at_once_with_the_closest_of_the_system():
    async with members({"w": ["far"], "v": ["research"]}) as nodes:
        with pytest.raises(UnknownAgent, match="did you mean 'research'"):
            await nodes.members["w"].ask(None, "reserch", 1, "message", None, None, None)


@pytest.mark.promise(id="SEM-1533")
async def test_a_name_that_appears_later_is_found_then():
    async with members({"w": ["far"]}) as nodes:
        ask = nodes.members["w"].ask
        with pytest.raises(UnknownAgent):
            await ask(None, "late", 1, "message", None, None, None)
        await nodes.runtime.start_child("top", Far("late"))
        assert (await ask(None, "late", 1, "message", 5.0, None, None)).sender == "late"
        await nodes.runtime.terminate_child("top", "late")
        with pytest.raises(AgentTerminated):
            await ask(None, "late", 1, "message", 5.0, None, None)
        await nodes.runtime.delete_child("top", "late")
        await until(lambda: "late" not in nodes.members["w"].registry)
        with pytest.raises(UnknownAgent):
            await ask(None, "late", 1, "message", 5.0, None, None)


@pytest.mark.promise(id="SEM-1533")
async def test_names_that_are_used_in_one_turn_are_asked_for_together(told: Told):
    async with members({"w": ["far"], "v": [f"a{n}" for n in range(50)]}) as nodes:
        member = nodes.members["w"]
        asks = (member.ask(None, f"a{n}", n, "message", 5.0, None, None) for n in range(50))
        again = (member.ask(None, f"a{n}", n, "message", 5.0, None, None) for n in range(50))
        replies = await asyncio.gather(*asks, *again)
        assert [each.payload for each in replies] == [*range(50), *range(50)]
        assert of(told, "root", "whereis") == {"whereis": 1}


@pytest.mark.promise(id="SEM-1533")
async def test_what_is_sent_while_a_name_is_looked_up_keeps_its_order():
    async with members({"w": ["far"], "v": ["other"]}) as nodes:
        member = nodes.members["w"]
        sends = (member.send(None, "other", n, "note", 5.0, None, None) for n in range(20))
        await asyncio.gather(*(each for each in sends if each is not None))
        await until(lambda: len(Far.heard) == 20)
        assert [payload for _, payload in Far.heard] == list(range(20))


@pytest.mark.promise(id="SEM-1533")
async def test_whoever_gives_up_while_a_name_is_looked_up_disturbs_nobody():
    async with members({"w": ["far"], "v": ["other"]}) as nodes:
        member = nodes.members["w"]
        asks = [
            asyncio.ensure_future(member.ask(None, "other", n, "message", 5.0, None, None))
            for n in range(2)
        ]
        await asyncio.sleep(0)
        asks[0].cancel()
        assert (await asks[1]).payload == 1


@pytest.mark.promise(id="SEM-1533")
async def test_a_member_that_dies_while_one_of_its_names_is_looked_up_is_waited_for():
    async with members({"w": ["far"], "v": ["other"]}) as nodes:
        asking = asyncio.create_task(nodes.runtime.ask("far", "other", "ask"))
        await until(lambda: "other" in nodes.members["w"]._lookups._sought)
        await nodes.lose("v")
        await nodes.join("v")
        assert (await asking).payload == ["other", "far"]


@pytest.mark.promise(id="SEM-1532")
async def test_who_waits_for_an_agent_of_a_member_that_is_lost_hears_it_at_once():
    async with members({"w": ["far"], "v": ["other"]}) as nodes:
        member = nodes.members["w"]
        waiting = asyncio.ensure_future(member.ask(None, "other", 1, "hang", None, None, None))
        await until(lambda: nodes.members["v"].registry["other"].busy)
        await nodes.lose("v")
        with pytest.raises(NodeDown):
            await waiting


@pytest.mark.promise(id="SEM-1534")
async def test_a_broadcast_of_a_member_reaches_agents_that_it_has_never_used():
    async with members({"w": ["far"], "v": ["x1", "x2"]}, Far("x3")) as nodes:
        assert (await nodes.runtime.ask("far", "x*", "broadcast")).payload == 3
        await until(lambda: len(Far.heard) == 3)
        assert sorted(Far.heard) == [("x1", "far"), ("x2", "far"), ("x3", "far")]


@pytest.mark.promise(id="SEM-1534")
async def test_a_late_message_finds_its_agent_when_it_is_due():
    async with members({"w": ["far"], "v": ["other"]}) as nodes:
        letters: list[Any] = []
        nodes.runtime.on("dead_letter", letters.append)
        await nodes.runtime.ask("far", "other", "later")
        await nodes.runtime.ask("far", "nobody", "later")
        await until(lambda: Far.heard)
        await until(lambda: letters)
        assert [each.reason for each in letters] == ["unknown"]


@pytest.mark.promise(id="SEM-1534")
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
async def test_a_circle_of_asks_is_found_through_members_that_never_met(delivery: str):
    class Chain(Far):
        async def handle(self, message: Message) -> Message | None:
            following = {"a": "b", "b": "c", "c": "a"}[self.name]
            return self.reply((await self.ask(following, 1)).payload)

    placed = {process: {name: Chain} for process, name in zip("wvu", "abc", strict=True)}
    keywords = {"delivery": delivery, "max_deliveries": 1}
    async with Nodes(MemoryNetwork().transport, placed, keywords=keywords) as nodes:
        with pytest.raises(Exception, match="AskCycle"):
            await nodes.runtime.ask("a", 1, timeout=5)


@pytest.mark.promise(id="SEM-1535")
def test_a_name_that_is_not_used_for_long_is_forgotten_on_both_sides_and_found_again():
    async def scenario() -> None:
        async with members({"w": ["far"], "v": ["other", "used"]}) as nodes:
            member, known = nodes.members["w"], nodes.root._knowledge._knowing

            async def ask(name: str) -> None:
                await member.ask(None, name, 1, "message", 5.0, None, None)

            await ask("other")
            for _ in range(5):
                await ask("used")
                await asyncio.sleep(300)
            assert "other" not in member.registry
            assert list(known) == ["used"]
            assert "used" in member.registry
            await ask("other")
            assert sorted(known) == ["other", "used"]

    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        runner.run(scenario())
