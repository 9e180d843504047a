"""Asks that would wait for themselves, over several nodes, while one of them stands in line at a full mailbox."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from civitas import AgentProcess, HandlerFailed, Message
from civitas.runs import RunInfo
from civitas.testing import MemoryNetwork
from tests.core.cluster.memory_broker import MemoryBroker
from tests.core.cluster.nodes import Nodes

NEVER = 60.0
"""Seconds: longer than a test may take."""


class Asker(AgentProcess):
    """Fills the mailbox of another agent, and asks it when it may."""

    may_ask: defaultdict[str, asyncio.Event]

    async def handle(self, message: Message) -> Message:
        match message.payload:
            case {"ask": other, "first": count}:
                for _ in range(count):
                    await self.send(other, None)
                await self.may_ask[self.name].wait()
                return self.reply((await self.ask(other, None, timeout=NEVER)).payload)
        return self.reply(None)


class System:
    """`here` and `near` at the root, `far` and `beside` at one member, `other` and the one of a `crew` at another."""

    def __init__(self, nodes: Nodes, network: MemoryNetwork) -> None:
        self.network = network
        self._nodes = nodes
        self._asking: dict[str, asyncio.Task[Message]] = {}

    async def order(self, asker: str, asked: str, first: int = 0) -> None:
        """Let an agent ask another when it may, and send so many messages there before."""
        order = {"ask": asked, "first": first}
        asking = self._nodes.runtime.ask(asker, order, timeout=NEVER)
        self._asking[asker] = asyncio.create_task(asking)
        await self.until(lambda: any(cell.busy for cell in self._cells(asker)))

    async def let(self, asker: str, asked: str = "") -> None:
        """Let an agent ask now, and wait until it waits for the answer, and until its ask has arrived at `asked`."""
        Asker.may_ask[asker].set()
        await self.until(lambda: any(cell.asking for cell in self._cells(asker)))
        await self.until(lambda: not asked or self._has_one(asked))

    async def close_in(self) -> None:
        """Let `near` ask `far`, and that `here`, which closes the circle once it asks `near`."""
        await self.order("near", "far")
        await self.order("far", "here")
        await self.order("here", "near")
        await self.let("near", "far")
        await self.let("far", "here")

    @property
    def unfinished_runs(self) -> list[RunInfo]:
        runs = self._nodes.runtime.runs
        return [*runs("accepted"), *runs("running"), *runs("waiting")]

    def _has_one(self, agent: str) -> bool:
        return any(len(cell.entry) for cell in self._cells(agent) if cell.busy)

    def _cells(self, name: str) -> list[Any]:
        nodes = (self._nodes.root, *self._nodes.members.values())
        return [node.registry[name] for node in nodes if name in node.registry]

    async def refused(self, asker: str) -> str:
        """Let an agent ask now, and wait until that is refused; what it is told."""
        Asker.may_ask[asker].set()
        with pytest.raises(HandlerFailed) as raised:
            await asyncio.wait_for(asyncio.shield(self._asking[asker]), 5)
        assert raised.value.error_type == "AskCycle"
        return raised.value.error_message

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)

    async def end(self) -> None:
        for each in self._asking.values():
            each.cancel()
        await asyncio.wait(self._asking.values())


@asynccontextmanager
async def system(
    delivery: str = "at_most_once", size: int = 1, broker: MemoryBroker | None = None
) -> AsyncIterator[System]:
    Asker.may_ask = defaultdict(asyncio.Event)
    placed = {"w": {"far": Asker, "beside": Asker}, "v": {"other": Asker, "crew-1": Asker}}
    keywords: dict[str, Any] = {"mailbox_size": size, "delivery": delivery, "max_deliveries": 1}
    here = [Asker(name, **keywords) for name in ("here", "near")]
    network = MemoryNetwork()
    about: dict[str, Any] = {"keywords": keywords, "family": "crew", "broker": broker}
    async with Nodes(network.transport, placed, *here, **about) as nodes:
        system = System(nodes, network)
        yield system
        await system.end()


@pytest.mark.promise(id="SEM-1551")
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
async def test_an_ask_in_line_for_an_agent_that_waits_for_its_asker_is_refused_at_once(
    delivery: str,
) -> None:
    async with system(delivery) as two:
        await two.order("other", "far")
        await two.order("far", "other", first=2)
        await two.let("other", "far")
        assert "far -> other -> far" in await two.refused("far")


@pytest.mark.promise(id="SEM-1551")
async def test_an_ask_that_closes_a_circle_with_one_in_line_is_refused_at_once() -> None:
    async with system() as three:
        await three.order("far", "other")
        await three.order("other", "here")
        await three.order("here", "far", first=1)
        await three.let("far", "other")
        await three.let("here")
        assert "other -> here -> far -> other" in await three.refused("other")


@pytest.mark.promise(id="SEM-1551")
async def test_an_ask_in_line_beside_its_asker_is_refused_when_the_circle_leads_through_others() -> (
    None
):
    async with system() as three:
        await three.order("near", "far")
        await three.order("far", "here")
        await three.order("here", "near", first=1)
        await three.let("near", "far")
        await three.let("far", "here")
        assert "here -> near -> far -> here" in await three.refused("here")


@pytest.mark.promise(id="SEM-1522")
async def test_an_ask_that_is_refused_when_its_agent_has_it_leaves_the_mailbox_of_the_broker() -> (
    None
):
    broker = MemoryBroker()
    async with system("at_least_once", 10, broker) as three:
        await three.close_in()
        three.network.fate = lambda _: []  # the search for a circle takes longer than the broker
        await three.let("here", "near")
        three.network.fate = lambda _: [0.0]
        assert "here -> near -> far -> here" in await three.refused("here")
        await three.until(lambda: broker.is_empty)


@pytest.mark.promise(id="SEM-1524")
async def test_an_ask_that_is_refused_before_its_agent_has_read_it_is_not_handled_and_no_dead_letter() -> (
    None
):
    broker = MemoryBroker()
    async with system("at_least_once", 10, broker) as three:
        await three.close_in()
        mailbox = broker.boxes["10.near"]
        mailbox.readers, readers = [], mailbox.readers  # it is slow in coming
        assert "here -> near -> far -> here" in await three.refused("here")
        mailbox.readers = readers
        mailbox.pump()
        await three.until(lambda: broker.is_empty)
        # Each of the three was given up with the ask that it could not make, and nothing else.
        assert {each.reason for each in broker.dead} == {"max_deliveries"}


@pytest.mark.promise(id="SEM-1522")
async def test_an_ask_that_closes_a_circle_at_a_replica_is_refused_and_leaves_the_mailbox_of_its_name() -> (
    None
):
    broker = MemoryBroker()
    async with system("at_least_once", 10, broker) as three:
        await three.order("crew-1", "far")
        await three.order("far", "here")
        await three.order("here", "crew")
        await three.let("crew-1", "far")
        await three.let("far", "here")
        assert "here -> crew-1 -> far -> here" in await three.refused("here")
        await three.until(lambda: broker.is_empty)
        assert {each.reason for each in broker.dead} == {"max_deliveries"}


@pytest.mark.promise(id="SEM-1522")
async def test_the_run_of_an_ask_that_is_refused_when_its_agent_has_it_ends() -> None:
    async with system("durable", 10) as three:
        await three.order("beside", "here")
        await three.order("here", "far")
        await three.order("far", "beside")
        await three.let("beside", "here")
        await three.let("here", "far")
        assert "far -> beside -> here -> far" in await three.refused("far")
        await three.until(lambda: three.unfinished_runs == [])
