"""A root that gives up while agents of other processes are at work."""

from __future__ import annotations

import asyncio

import pytest

from civitas import AgentProcess, Message
from civitas.errors import AgentTerminated
from civitas.testing.memory_network import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.support import crash, error_of


class Busy(AgentProcess):
    """Is at work until it may end; or asks another for good."""

    begun: asyncio.Event
    may_end: asyncio.Event
    failed: asyncio.Future[BaseException]

    async def handle(self, message: Message) -> Message | None:
        if message.type == "crash":
            raise ValueError("down it goes")
        if message.type == "ask":
            self.failed.set_result(await error_of(self.ask("busy", 1, timeout=None)))
        else:
            self.begun.set()
            await self.may_end.wait()
        return self.reply("done")


@pytest.mark.promise(id="SEM-1473")
async def test_asks_between_processes_fail_at_once_when_the_root_gives_up() -> None:
    Busy.begun, Busy.may_end = asyncio.Event(), asyncio.Event()
    Busy.failed = asyncio.get_running_loop().create_future()
    agents = {"w": {"asks": Busy}, "v": {"busy": Busy, "bad": Busy}}
    async with (
        Nodes(MemoryNetwork().transport, agents, max_restarts=0) as nodes,
        asyncio.timeout(5),
    ):
        runtime = nodes.runtime
        asks = [asyncio.create_task(error_of(runtime.ask("busy", 1, timeout=None)))]
        await Busy.begun.wait()
        asks.append(asyncio.create_task(error_of(runtime.ask("busy", 1, timeout=None))))
        await runtime.send("asks", 1, "ask")
        busy = nodes.members["v"].registry["busy"]
        while len(busy.entry) < 2:
            await asyncio.sleep(0)
        await crash(runtime, "bad")
        errors = [*await asyncio.gather(*asks), await Busy.failed]
        assert [type(each) for each in errors] == [AgentTerminated] * 3
        assert not Busy.may_end.is_set()
        Busy.may_end.set()
