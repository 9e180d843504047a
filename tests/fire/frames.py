"""Real frames that were tampered with come to the root's socket and to a worker's, over TCP, with keys and without."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Any

from civitas import Runtime
from civitas.transport.zmq import ZmqTransport
from tests.fire.harness import SURE, Fire, agent, memory, processes, running, system
from tests.fire.stranger import LOOPBACK, addresses, mutated, recorded, stranger, unsigned

_BOUND = 5.0
_GROWTH = 96
"""MiB that a process may grow by in one phase."""
_AT_ONCE = 50


async def run(fire: Fire) -> None:
    """Half the time without keys, half with those that the system made for itself."""
    whole, sent = fire.seconds, 0
    fire.seconds = whole / 2
    for keys in ({"keys": "none"}, {}):
        sent += await _phase(fire, keys)
    fire.seconds = whole
    fire.row.notes = f"{sent:,} tampered frames, with keys and without"


async def _phase(fire: Fire, keys: dict[str, str]) -> int:
    sure: dict[str, Any] = {**SURE, "ledger": str(fire.folder)}
    config = system(
        agent("sink", "Sink", "w1", **sure),
        agent("relay", "Relay", "w2", **sure),
        transport={"type": "zmq", "address": LOOPBACK, **keys},
    )
    async with recorded() as frames, running(fire, config) as runtime:
        root: Any = runtime._node
        pids = {"root": os.getpid(), **processes(runtime)}
        before = {name: memory(pid) for name, pid in pids.items()}
        async with asyncio.TaskGroup() as group, stranger(root.transport._keys) as known:
            group.create_task(_ask(fire, runtime, "none" if keys else "made"))
            while len(frames) < 10 and fire.burns:
                await asyncio.sleep(0.05)
            sent = await _throw(fire, known, root, frames)
        await fire.settled()
        if processes(runtime) != {name: pid for name, pid in pids.items() if name != "root"}:
            fire.fault(f"processes died: they were {pids}, and are {processes(runtime)}")
        for name, pid in pids.items():
            with suppress(OSError):
                if memory(pid) - before[name] > _GROWTH:
                    fire.fault(f"{name} grew from {before[name]} to {memory(pid)} MiB")
    return sent


async def _throw(fire: Fire, known: ZmqTransport, root: Any, frames: list[bytes]) -> int:
    """Send to each address by links, in batches that are right but for their frames, and as raw bytes."""
    sent = 0
    while fire.burns:
        at, boots = addresses(root), [root.boot, *root.peers]
        links = [known.connect(address) for address in at]
        kept = [unsigned(frame, boots) for frame in frames]
        for link in links:
            for _ in range(_AT_ONCE):
                link.send(mutated(fire.random.choice(kept), kept, fire.random))
                sent += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(link.flushed() for link in links)), 5)
        for link in links:
            link.close()
        for address in at:
            raw = mutated(fire.random.choice(kept), kept, fire.random)
            await asyncio.to_thread(_throw_raw, address, raw)
    return sent


def _throw_raw(address: str, raw: bytes) -> None:
    """Past ZMQ, whose greeting may or may not stand before it."""
    host, _, port = address.removeprefix("tcp://").partition("#")[0].rpartition(":")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as other:
        other.sendall(greeting[: len(raw) % 65] + raw)


async def _ask(fire: Fire, runtime: Runtime, sender: str) -> None:
    n = 0
    while fire.burns:
        began = time.monotonic()
        for kind in ("send", "ask"):
            payload = fire.message(sender, n, to="sink")
            await fire.ask(runtime, "relay", payload, message_type=kind, bound=_BOUND)
            n += 1
        await asyncio.sleep(max(0.0, 0.02 - (time.monotonic() - began)))
