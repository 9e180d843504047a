"""Many messages at a slow agent, and many conversations: what they take, in processes and at the server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from civitas import Runtime
from tests.deep import further
from tests.integration.nats.conftest import over_nats, traveller
from tests.integration.nats.test_replicas import consumers
from tests.integration.processes.system import pid_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]

MIB = 1 << 20


def memory(pid: int) -> int:
    """Bytes that a process has at this moment."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.promise(id="SEM-1466")
@pytest.mark.parametrize("flood", [(3000, 32), *further((200_000, 1))])
async def test_a_flood_at_a_slow_agent_takes_bounded_memory(system, server, flood):
    """So many messages of so many KiB: all of them would be 94 MiB at least."""
    count, size = flood[0], bytes(flood[1] * 1024)
    slow = traveller("slow", "worker", delivery="at_least_once", mailbox_size=100)
    slow["agent"]["type"] = "tests.integration.nats.cast:Slow"
    config = over_nats(server, slow, prefix="flood", runtime={"drain_timeout": 0.1})
    numbers = iter(range(count))
    async with Runtime.from_config(config) as kept:

        async def send() -> None:
            for n in numbers:
                await kept.send("slow", [n, size], timeout=None)

        await kept.send("slow", [-1, size])
        assert (await kept.ask("slow", None)).payload == 1
        pids = (os.getpid(), pid_of(kept, "slow"))
        before = most = [memory(pid) for pid in pids]
        sending = asyncio.gather(*(send() for _ in range(150)))
        while not sending.done():
            await asyncio.wait({sending}, timeout=0.05)
            most = [max(each, memory(pid)) for each, pid in zip(most, pids, strict=True)]
        assert (await kept.ask("slow", None, timeout=60)).payload == count + 1
    grown = [(after - earlier) / MIB for after, earlier in zip(most, before, strict=True)]
    assert max(grown) < 80, grown


@pytest.mark.deep
@pytest.mark.promise(id="SEM-1548")
async def test_a_hundred_thousand_conversations_over_8_processes_need_no_consumers(system, server):
    pool = {**traveller("many", "w", delivery="at_least_once")["agent"], "replicas": 8}
    children = [{"conversation_pool": {**pool, "idle_timeout": 5}}, traveller("other", "v")]
    before = await consumers(server)
    conversations = iter(range(100_000))
    async with Runtime.from_config(over_nats(server, *children, prefix="many")) as kept:

        async def talk() -> None:
            for n in conversations:
                reply = await kept.ask("many", n, "echo", conversation=f"c{n}", timeout=60)
                assert reply.payload == n

        await asyncio.gather(*(talk() for _ in range(64)))
        assert await consumers(server) - before <= 9  # the name, and its replicas
