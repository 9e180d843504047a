"""What stands behind one name: conversations stay with one, and move with their messages when its process is gone."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    ConfigurationError,
    ConversationPool,
    Message,
    NodeDown,
    SupervisionError,
    UnknownAgent,
)
from civitas.cluster.member import MemberNode
from civitas.cluster.members import joining
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes


class Talker(AgentProcess):
    """Notes what it hears, and waits for a sign where it is told to."""

    heard: defaultdict[str | None, list[Any]]
    awake: Counter[str]
    signs: defaultdict[Any, asyncio.Event]

    def __init__(self, name: str, where: str = "", **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.where = where or name

    async def handle(self, message: Message) -> Message | None:
        self.heard[message.conversation].append(message.payload)
        if message.type == "ask":
            return self.reply((await self.ask("support", message.payload)).payload)
        if message.type == "stay" or (message.type == "wait" and message.attempt == 0):
            await self.signs[message.payload].wait()
        return self.reply([self.where, self.name])


@pytest.fixture(autouse=True)
def _clean() -> None:
    Talker.heard = defaultdict(list)
    Talker.signs = defaultdict(asyncio.Event)


def pool(n: int, **keywords: Any) -> ConversationPool:
    return ConversationPool("support", Talker("support", f"p-{n}", **keywords), max_live=100)


def share(kind: str, n: int, **keywords: Any) -> dict[str, Any]:
    """What runs in one member."""
    return {f"support-{n}": pool(n, **keywords) if kind == "pool" else Talker}


@asynccontextmanager
async def crew(kind: str, **keywords: Any) -> AsyncIterator[Nodes]:
    """Three behind the name `support`, each in a member, and an agent in another."""
    agents = {f"p-{n}": share(kind, n, **keywords) for n in (1, 2, 3)}
    agents["w"] = {"far": Talker}
    transport = MemoryNetwork().transport
    async with Nodes(transport, agents, keywords=keywords, family="support") as nodes:
        yield nodes


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


async def end(nodes: Nodes, member: MemberNode) -> None:
    """Let a member leave that has drained, and wait until the root has heard that, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_LAST_FRAMES", 5.0)
        member.end("")
        await until(lambda: member.name not in nodes.root.peers.by_name)


async def where(nodes: Nodes, conversation: str | None = None, payload: Any = None) -> str:
    """Which member answers; its number."""
    reply = await nodes.runtime.ask("support", payload, conversation=conversation, timeout=5)
    return number_in(reply)


def number_in(reply: Message) -> str:
    where, name = reply.payload
    return str(where if "-" in where else name)[-1]


KINDS = pytest.mark.parametrize("kind", ["agent", "pool"])


@pytest.mark.promise(id="SEM-1541")
async def test_the_conversations_of_a_pool_are_spread_over_its_replicas_and_each_stays_with_one() -> (
    None
):
    async with crew("pool") as nodes:
        first = {f"c{n}": await where(nodes, f"c{n}") for n in range(9)}
        assert Counter(first.values()) == {"1": 3, "2": 3, "3": 3}
        assert {each: await where(nodes, each) for each in first} == first
        reply = await nodes.runtime.ask("support/c4", None)
        assert reply.payload == [f"p-{first['c4']}", "support/c4"]


@pytest.mark.promise(id="SEM-1541")
async def test_a_conversation_of_a_replica_is_the_same_whoever_sends_also_from_beside_it() -> None:
    async with crew("pool") as nodes:
        number = await where(nodes, "c")
        for member in nodes.members.values():
            member.open = True
            for name, conversation in (("support", "c"), ("support/c", None)):
                ask = member.ask(None, name, None, "message", 5.0, conversation, None)
                assert (await ask).payload == [f"p-{number}", "support/c"]
        asked = await nodes.runtime.ask("far", None, "ask", conversation="c", timeout=5)
        assert asked.payload == [f"p-{number}", "support/c"]


@pytest.mark.promise(id="SEM-1541")
async def test_conversations_of_replicas_are_shown_ended_and_watched_like_others() -> None:
    async with crew("pool") as nodes:
        numbers = {each: await where(nodes, each) for each in ("c", "d")}
        children = nodes.root._children
        await until(lambda: children[f"support-{numbers['c']}"].children)
        assert [each.name for each in children[f"support-{numbers['c']}"].children] == ["support/c"]
        assert await nodes.root.is_alive("support/c")
        assert sorted(await nodes.root.matching("support*")) == ["support/c", "support/d"]
        owner = nodes.root.owner_of("support/c")
        assert owner.name == f"support-{numbers['c']}"
        await owner.terminate_child("support/c")
        assert not await nodes.root.is_alive("support/c")
        assert await where(nodes, "c") == numbers["c"]


@pytest.mark.promise(id="SEM-1541")
@KINDS
async def test_a_name_whose_replicas_are_all_deleted_is_unknown(kind: str) -> None:
    async with crew(kind) as nodes:
        member = nodes.members["w"]
        member.open = True
        for n in (1, 2, 3):
            await member.ask(None, "support", None, "message", 5.0, "c", None)
            await nodes.runtime.terminate_child("support", f"support-{n}")
            await nodes.runtime.delete_child("support", f"support-{n}")
        await until(lambda: not member._lookups.knows("support"))
        for node in (nodes.root, member):
            with pytest.raises(UnknownAgent):
                await node.ask(None, "support", None, "message", 5.0, "c", None)


@pytest.mark.promise(id="SEM-1542")
@KINDS
async def test_a_conversation_moves_with_its_messages_in_order_when_its_member_is_gone(
    kind: str,
) -> None:
    async with crew(kind, delivery="at_least_once") as nodes:
        number = await where(nodes, "c", "first")
        waiting = asyncio.create_task(
            nodes.runtime.ask("support", "now", "wait", conversation="c", timeout=5)
        )
        await until(lambda: "now" in Talker.heard["c"])
        for n in range(10):
            await nodes.runtime.send("support", n, conversation="c")
        await nodes.lose(f"p-{number}")
        reply = await waiting
        other = number_in(reply)
        assert other != number
        for n in range(10, 20):
            await nodes.runtime.send("support", n, conversation="c")
        assert await where(nodes, "c", "last") == other
        assert Talker.heard["c"] == ["first", "now", "now", *range(20), "last"]
        await nodes.join(f"p-{number}")
        await until(lambda: nodes.root._children[f"support-{number}"].alive)
        assert await where(nodes, "c") == other


@pytest.mark.promise(id="SEM-1542")
@KINDS
async def test_what_is_not_to_be_delivered_again_is_refused_and_the_conversation_moves(
    kind: str,
) -> None:
    async with crew(kind) as nodes:
        number = await where(nodes, "c")
        waiting = asyncio.create_task(
            nodes.runtime.ask("support", "now", "wait", conversation="c", timeout=5)
        )
        await until(lambda: "now" in Talker.heard["c"])
        await nodes.lose(f"p-{number}")
        with pytest.raises(NodeDown):
            await waiting
        assert await where(nodes, "c") != number


@pytest.mark.promise(id="SEM-1542")
@KINDS
async def test_a_message_that_kills_each_member_that_has_it_is_given_up(kind: str) -> None:
    async with crew(kind, delivery="at_least_once", max_deliveries=2) as nodes:
        letters: list[Any] = []
        nodes.runtime.on("dead_letter", letters.append)
        root = nodes.root

        def heard(times: int) -> bool:
            return len(Talker.heard["c"]) == times

        await nodes.runtime.send("support", "bad", "stay", conversation="c")
        for times in (1, 2):
            await until(partial(heard, times))
            await nodes.lose(f"p-{root._relay.group('support').holder('c')[-1]}")
        await until(lambda: letters)
        assert [each.reason for each in letters] == ["max_deliveries"]
        await nodes.runtime.send("support", "good", conversation="c")
        await until(lambda: Talker.heard["c"][-1] == "good")


@pytest.mark.promise(id="SEM-1543")
@KINDS
async def test_while_one_leaves_others_have_what_comes_and_its_conversations_move_when_it_has_left(
    kind: str,
) -> None:
    async with crew(kind) as nodes:
        number = await where(nodes, "c")
        waiting = asyncio.create_task(
            nodes.runtime.ask("support", "now", "wait", conversation="c", timeout=5)
        )
        await until(lambda: "now" in Talker.heard["c"])
        member = nodes.members.pop(f"p-{number}")
        draining = asyncio.create_task(member.drain(5))
        await until(lambda: root_knows(nodes, number))
        assert {await where(nodes) for _ in range(6)} == {"1", "2", "3"} - {number}
        for n in range(5):
            await nodes.runtime.send("support", n, conversation="c")
        Talker.signs["now"].set()
        assert number_in(await waiting) == number
        await draining
        await end(nodes, member)
        assert await where(nodes, "c", "last") != number
        assert Talker.heard["c"] == [None, "now", *range(5), "last"]


def root_knows(nodes: Nodes, number: str) -> bool:
    box = (
        nodes.root.registry.get(f"support-{number}")
        or nodes.root.registry.pools[f"support-{number}"]
    )
    return not box.alive


@pytest.mark.promise(id="SEM-1544")
@KINDS
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_members_come_and_go_while_messages_flow_and_nothing_is_lost_or_out_of_order(
    kind: str, delivery: str
) -> None:
    async with crew(kind, delivery=delivery) as nodes:
        conversations = [f"c{n}" for n in range(12)]
        over = asyncio.Event()

        async def talk(conversation: str) -> int:
            n = 0
            while not over.is_set():
                await nodes.runtime.send("support", n, conversation=conversation)
                n += 1
                await asyncio.sleep(0.001)
            return n

        talking = [asyncio.create_task(talk(each)) for each in conversations]
        for number in (1, 2, 3, 1):
            await asyncio.sleep(0.02)
            if delivery == "at_least_once":
                await nodes.lose(f"p-{number}")
            else:
                member = nodes.members.pop(f"p-{number}")
                await member.drain(5)
                await end(nodes, member)
            await asyncio.sleep(0.02)
            await nodes.join(f"p-{number}")
        over.set()
        counts = await asyncio.gather(*talking)
        for each, count in zip(conversations, counts, strict=True):
            await where(nodes, each, "last")
            heard = Talker.heard[each]
            first = [*dict.fromkeys(heard)]
            assert first == [*range(count), "last"]
            if delivery == "at_most_once":
                assert heard == first


@pytest.mark.promise(id="SEM-1545")
@KINDS
async def test_one_that_is_added_gets_its_share_and_conversations_stay_where_they_are(
    kind: str,
) -> None:
    async with crew(kind) as nodes:
        first = {f"c{n}": await where(nodes, f"c{n}") for n in range(6)}
        scaling = asyncio.create_task(nodes.runtime.scale("support", 4))
        await nodes.join("p-4", share(kind, 4))
        await scaling
        assert {await where(nodes) for _ in range(4)} == {"1", "2", "3", "4"}
        assert {each: await where(nodes, each) for each in first} == first
        assert "4" in {await where(nodes, f"d{n}") for n in range(4)}
        names = [each["name"] for each in nodes.runtime.which_children("support")]
        assert names == [f"support-{n}" for n in (1, 2, 3, 4)]


@pytest.mark.promise(id="SEM-1545")
@KINDS
@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
async def test_one_that_is_removed_finishes_what_it_has_and_its_conversations_go_on_in_order(
    kind: str, delivery: str
) -> None:
    async with crew(kind, delivery=delivery) as nodes:
        numbers = {f"c{n}": await where(nodes, f"c{n}") for n in range(6)}
        moved = next(each for each, number in numbers.items() if number == "3")
        waiting = asyncio.create_task(
            nodes.runtime.ask("support", "now", "wait", conversation=moved, timeout=5)
        )
        await until(lambda: "now" in Talker.heard[moved])
        for n in range(3):
            await nodes.runtime.send("support", n, conversation=moved)
        scaling = asyncio.create_task(nodes.runtime.scale("support", 2))
        await until(lambda: "support-3" in nodes.root._relay.group("support")._retiring)
        for n in range(3, 6):
            await nodes.runtime.send("support", n, conversation=moved)
        assert await where(nodes) != "3"
        Talker.signs["now"].set()
        await scaling
        assert number_in(await waiting) == "3"
        assert await where(nodes, moved, "last") in ("1", "2")
        assert Talker.heard[moved] == [None, "now", *range(6), "last"]
        names = [each["name"] for each in nodes.runtime.which_children("support")]
        assert names == ["support-1", "support-2"]


@pytest.mark.promise(id="SEM-1545")
async def test_what_has_no_replicas_cannot_be_scaled() -> None:
    async with crew("agent") as nodes:
        with pytest.raises(ConfigurationError, match="'top' has no replicas"):
            await nodes.runtime.scale("top", 2)
        with pytest.raises(ConfigurationError, match="replicas must be"):
            await nodes.runtime.scale("support", 0)
        with pytest.raises(SupervisionError, match="there is no supervisor 'far'"):
            await nodes.runtime.scale("far", 2)
