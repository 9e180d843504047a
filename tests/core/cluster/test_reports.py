"""What a member reports about its mailboxes and conversations: only what has changed, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from civitas import AgentProcess, ConversationPool, Message
from civitas.cluster import hosting
from civitas.cluster.remote_pool import RemotePool
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes


class Talker(AgentProcess):
    """Answers, leaves, or stays with a message until it may go."""

    may_go: asyncio.Event

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "leave":
                await self.stop()
            case "stay":
                await self.may_go.wait()
        return self.reply(self.name)


@pytest.fixture
async def nodes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    monkeypatch.setattr(hosting, "_REPORT_EVERY", 0.02)
    Talker.may_go = asyncio.Event()
    pool = ConversationPool("support", Talker("support", restart="transient"), max_live=100)
    async with Nodes(MemoryNetwork().transport, {"w": {"support": pool}}) as nodes:
        yield nodes


@pytest.fixture
def told(nodes: Nodes) -> list[Any]:
    """What the member reports about the pool from now on."""
    reports: list[Any] = []
    child = nodes.root._children["support"]
    reported = child.reported

    def hears(facts: Any) -> None:
        reports.append(facts)
        reported(facts)

    child.reported = hears
    return reports


def awake(nodes: Nodes) -> dict[str, tuple[str, int]]:
    """The conversations that the root shows, how each is, and what waits for it."""
    pool = nodes.root._children["support"]
    assert isinstance(pool, RemotePool)
    return {each.name: (str(each.status), each.mailbox_depth) for each in pool.children}


def at_work(told: list[Any]) -> dict[str, int]:
    """Whether each handles a message, as it was told last."""
    return {name: busy for names, _ in told for name, *_, busy in names}


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.promise(id="SEM-1536")
async def test_of_many_conversations_only_those_that_changed_are_told(
    nodes: Nodes, told: list[Any]
) -> None:
    for n in range(20):
        await nodes.runtime.ask("support", 1, conversation=f"c{n}")
    await until(lambda: len(awake(nodes)) == 20 and not any(at_work(told).values()))
    told.clear()
    for payload in (1, 2):
        await nodes.runtime.send("support", payload, "stay", conversation="c7")
    await until(lambda: awake(nodes)["support/c7"][1])
    assert awake(nodes)["support/c7"] == ("running", 1)
    Talker.may_go.set()
    changed = {name for names, _ in told for name, *_ in names}
    assert changed == {"support/c7"}


@pytest.mark.promise(id="SEM-1536")
async def test_a_conversation_that_went_to_sleep_is_not_shown_any_more(
    nodes: Nodes, told: list[Any]
) -> None:
    for n in range(3):
        await nodes.runtime.ask("support", 1, conversation=f"c{n}")
    await until(lambda: len(awake(nodes)) == 3)
    await nodes.runtime.ask("support", 1, "leave", conversation="c1")
    await until(lambda: len(awake(nodes)) == 2)
    assert told[-1] == [[], ["support/c1"]]


async def test_the_conversations_of_a_member_that_is_lost_are_not_shown_any_more(
    nodes: Nodes,
) -> None:
    await nodes.runtime.ask("support", 1, conversation="c")
    await until(lambda: awake(nodes))
    await nodes.lose("w")
    assert awake(nodes) == {}
    await nodes.join("w")
    await nodes.runtime.ask("support", 1, conversation="d")
    await until(lambda: awake(nodes))
    assert list(awake(nodes)) == ["support/d"]
