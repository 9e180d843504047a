"""How the other OS processes come to rest before another version takes over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import AgentProcess, Message
from civitas.cluster import quiescing
from civitas.node.quiescing import Quiescing
from civitas.process import Cell, Status
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.support import eventually


class Still(AgentProcess):
    """Never answers."""

    async def handle(self, message: Message) -> None:
        await asyncio.Event().wait()


@pytest.mark.promise(id="SEM-1807")
async def test_what_waits_for_a_process_that_was_killed_meanwhile_does_not_block_the_root() -> None:
    placed = {"w": {"far": Still}}
    async with Nodes(
        MemoryNetwork().transport, placed, keywords={"delivery": "at_least_once"}
    ) as nodes:
        await nodes.runtime.send("far", 1)
        await nodes.lose("w", "it was killed")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await Quiescing(nodes.root, nodes.root.others).reach()
        nodes.runtime.drain_timeout = 0.0


@pytest.mark.promise(id="SEM-1807")
async def test_a_process_that_does_not_end_its_work_delays_the_takeover_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(quiescing, "_PATIENCE", 0.01)
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Still}}) as nodes:
        with monkeypatch.context() as blocked:
            blocked.setattr(Cell, "interrupt", never)
            async with asyncio.timeout(5):
                await nodes.root.others.interrupt()


@pytest.mark.promise(id="SEM-1807")
async def test_a_durable_agent_elsewhere_that_has_come_to_rest_is_not_started_again() -> None:
    ends: list[str] = []

    class Idle(AgentProcess):
        async def on_start(self) -> None:
            ends.append("started")

        async def on_stop(self) -> None:
            ends.append("ended")

    placed = {"w": {"far": Idle}}
    async with Nodes(MemoryNetwork().transport, placed, keywords={"delivery": "durable"}) as nodes:
        child = nodes.root._children["far"]
        await Quiescing(nodes.root, nodes.root.others).reach()
        await eventually(lambda: not child._runs_on)
        assert (child.status, ends) == (Status.RUNNING, ["started", "ended"])
