"""Nodes that cannot reach each other, over a network that has no other way."""

from __future__ import annotations

import asyncio

import pytest

from civitas import AgentProcess, Message, NodeDown
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes


class Asker(AgentProcess):
    """Asks another agent."""

    async def handle(self, message: Message) -> Message:
        if message.type != "ask":
            return self.reply(message.payload)
        return self.reply((await self.ask(message.payload, 1)).payload)


@pytest.mark.promise(id="SEM-1327")
async def test_a_member_that_another_cannot_reach_is_taken_for_down() -> None:
    network = MemoryNetwork(node_timeout=0.02)
    async with Nodes(network.transport, {"w": {"far": Asker}, "v": {"other": Asker}}) as nodes:
        addresses = [member.transport.address for member in nodes.members.values()]
        assert (await nodes.runtime.ask("far", "other", "ask")).payload == 1
        down: asyncio.Queue[object] = asyncio.Queue()
        nodes.runtime.on("node_down", down.put_nowait)
        network.cut(*addresses)
        asking = asyncio.create_task(nodes.runtime.ask("far", "other", "ask", timeout=5))
        await down.get()
        with pytest.raises(Exception, match="cannot reach it") as caught:
            await asking
        assert isinstance(caught.value, NodeDown) or "NodeDown" in str(caught.value)
        network.heal()


async def test_a_short_cut_between_members_is_nobodys_death() -> None:
    network = MemoryNetwork(node_timeout=5.0)
    async with Nodes(network.transport, {"w": {"far": Asker}, "v": {"other": Asker}}) as nodes:
        network.cut(*(member.transport.address for member in nodes.members.values()))
        asking = asyncio.create_task(nodes.runtime.ask("far", "other", "ask", timeout=5))
        registry = nodes.members["w"].registry
        while "other" not in registry or not len(registry["other"].entry):
            await asyncio.sleep(0)
        network.heal()
        assert (await asking).payload == 1
