"""How often a durable agent of another process had the message of a run."""

from __future__ import annotations

from typing import Any

import pytest

from civitas import AgentProcess, HandlerFailed, Message
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes


class Fragile(AgentProcess):
    """Crashes with a message until so many incarnations had it."""

    async def handle(self, message: Message) -> Message:
        if message.attempt + 1 < message.payload:
            raise ValueError("not yet")
        return self.reply(message.attempt)


@pytest.mark.promise(id="SEM-1528")
@pytest.mark.parametrize("agent", ["far", "here"])
@pytest.mark.parametrize(("answers_the", "had"), [(1, 1), (3, 3), (9, 4)])
async def test_a_run_tells_to_how_many_incarnations_it_was_given_wherever_its_agent_runs(
    agent: str, answers_the: int, had: int
) -> None:
    keywords: dict[str, Any] = {"delivery": "durable", "max_deliveries": 4}
    here = Fragile("here", **keywords)
    network = MemoryNetwork()
    async with Nodes(network.transport, {"w": {"far": Fragile}}, here, keywords=keywords) as nodes:
        asking = nodes.runtime.ask(agent, answers_the)
        if had == answers_the:
            assert (await asking).payload == had - 1
        else:
            with pytest.raises(HandlerFailed, match="not yet"):
                await asking
        assert [each.deliveries for each in nodes.runtime.runs()] == [had]
