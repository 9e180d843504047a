"""Asks that nobody waits for any more, while they are still in the mailbox of a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from civitas import AgentProcess, Message
from civitas.testing import MemoryNetwork
from tests.core.cluster.memory_broker import MemoryBroker
from tests.core.cluster.nodes import Nodes


class Listener(AgentProcess):
    """Notes what it hears."""

    heard: list[Any]

    async def handle(self, message: Message) -> Message:
        self.heard.append(message.payload)
        return self.reply(None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-216")
@pytest.mark.promise(id="SEM-1527")
@pytest.mark.parametrize("asked", ["far", "here", "crew"])
@pytest.mark.parametrize("cancels", [False, True])
async def test_an_ask_that_is_cancelled_before_it_was_read_is_handled_unless_its_agent_wants_to_know(
    cancels: bool, asked: str
) -> None:
    Listener.heard = []
    broker = MemoryBroker()
    keywords: dict[str, Any] = {
        "delivery": "at_least_once",
        "mailbox_size": 10,
        "cancel_on_timeout": cancels,
    }
    network = MemoryNetwork()
    placed = {"w": {"far": Listener, "crew-1": Listener}}
    here = Listener("here", **keywords)
    several: dict[str, Any] = {"keywords": keywords, "family": "crew", "broker": broker}
    async with Nodes(network.transport, placed, here, **several) as nodes:
        await nodes.runtime.ask(asked, "first")
        mailbox = broker.boxes[f"10.{asked}"]
        await until(lambda: broker.is_empty)
        mailbox.readers, readers = [], mailbox.readers
        asking = asyncio.create_task(nodes.runtime.ask(asked, "cancelled", timeout=60))
        await until(lambda: not broker.is_empty)
        asking.cancel()
        await asyncio.wait({asking})
        if asked == "far":  # which hears of it by a frame
            durable: Any = nodes.members["w"]._mailboxes._durable
            await until(lambda: bool(durable._readers["far"]._withdrawn))
        mailbox.readers = readers
        mailbox.pump()
        await until(lambda: broker.is_empty)
        assert Listener.heard == (["first"] if cancels else ["first", "cancelled"])
        if asked == "crew":  # its process has no such mailbox, and tells the root a moment later
            await until(lambda: bool(broker.dead))
            assert not nodes.root.dead.all()
        reasons = [each.reason for each in broker.dead]
        assert reasons == (["no_reader"] if cancels else ["late_reply"])
