"""What a system of many nodes and many names costs: to start, to join, to know a name, to crash, to lose a node.

All nodes share one OS process and an event loop, and a carrier in memory, so that nothing but Civitas is measured. Each
case runs in a Python process of its own. Frames are counted where they arrive, at any node, beside those that carry
messages. `python -m benchmarks.scale --nodes 10 100 --names 100 10000`
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import subprocess
import sys
import time
import tracemalloc
from typing import Any

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.cluster import Processes
from civitas.cluster.door import Door
from civitas.cluster.frames import Kind, unpacked
from civitas.cluster.member import MemberNode
from civitas.launch import ProcessOptions
from civitas.message import Serializer
from civitas.state import InMemoryStateStore
from civitas.supervision import Placed
from civitas.telemetry.tracing import Tracing
from civitas.testing import MemoryNetwork

_TOKEN = "of the system"  # noqa: S105
_USED = 100
"""So many names are used by the node whose memory is measured, if there are as many."""
_MESSAGES = {Kind.MESSAGE, Kind.ANSWER, Kind.REFUSAL, Kind.SETTLED}
_ROWS = {
    "start_ms": "started, for each name (ms)",
    "start_frames": "frames for that, for each name",
    "join_ms": "a node joins (ms)",
    "join_frames": "frames for that",
    "join_kib": "KiB in them",
    "node_kib": "memory of a node that has used no name (KiB)",
    "used_kib": "memory for each name that it uses (KiB)",
    "first_ms": "first ask for a name (ms)",
    "next_ms": "the next (ms)",
    "crash_frames": "frames when an agent crashes that 3 nodes know",
    "death_frames": "frames when a node dies and is back, beside its agents' own",
    "death_ms": "the longest turn of the event loop meanwhile (ms)",
}


class Agent(AgentProcess):
    """Answers, or crashes."""

    async def handle(self, message: Message) -> Message:
        """Do what the type of the message says."""
        if message.type == "crash":
            raise ValueError("as told")
        return self.reply(message.payload)


class Frames:
    """Counts what arrives at any node."""

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self.calm = 0.0
        receive = Door.receive

        def counted(door: Door, frame: Any) -> None:
            kind, _, *fields = unpacked(frame)
            what = fields[0] if kind == Kind.CAST else fields[1] if kind == Kind.CALL else ""
            if kind not in _MESSAGES and what not in ("report", "event"):
                self.count += 1
                self.bytes += len(frame)
            self.calm = time.perf_counter()
            receive(door, frame)

        Door.receive = counted  # type: ignore[assignment, method-assign]

    def clear(self) -> None:
        """Count anew."""
        self.count = self.bytes = 0

    async def over(self) -> None:
        """Wait until nothing has arrived for a while."""
        while time.perf_counter() - self.calm < 0.3:
            await asyncio.sleep(0.05)


class System:
    """A root, its members, and one more that hosts nothing."""

    def __init__(self, nodes: int, names: int) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.transport("root")
        self.names = [f"agent-{n}" for n in range(names)]
        self.nodes = [f"node-{n}" for n in range(nodes)]
        above = []
        for n, node in enumerate(self.nodes):
            placed = [Placed(name, node) for name in self.names[n::nodes]]
            above.append(Supervisor(f"of-{node}", children=placed, backoff="none"))
        options = ProcessOptions(start=False, start_timeout=60)
        self.runtime = Runtime(
            Supervisor("top", children=above, max_restarts=1000),
            processes=Processes(
                dict.fromkeys([*self.nodes, "more"], options),
                self.here,
                Serializer.MSGPACK,
                {"root_has": ()},
                _TOKEN,
            ),
        )
        self.members: dict[str, MemberNode] = {}

    async def start(self) -> None:
        """Start all of it."""
        starting = asyncio.create_task(self.runtime.start())
        while not self.here.address:
            await asyncio.sleep(0)
        for name in [*self.nodes, "more"]:
            await self.join(name)
        await starting

    async def join(self, name: str) -> None:
        """Let a member come."""
        member = MemberNode(
            name,
            root=self.here.address,
            own_token="",
            make=Agent,
            in_hand=None,
            remind=60.0,
            transport=self.network.transport(name),
            serializer=Serializer.MSGPACK,
            token=_TOKEN,
            store=InMemoryStateStore(),
            tracing=Tracing(),
        )
        member.attach()
        self.members[name] = member
        await member.enter()
        member.open = True

    async def lose(self, name: str) -> None:
        """Take a member away, as if it were killed."""
        member = self.members.pop(name)
        await member.transport.close()
        root: Any = self.runtime._node
        root.membership.departures.end(root.peers.by_name[name], "the benchmark ended it")

    async def asks(self, node: str, names: list[str]) -> float:
        """Let a member ask agents, as an agent of it would; seconds for each."""
        began = time.perf_counter()
        for name in names:
            await self.members[node].ask(None, name, 1, "message", 60.0, None, None)
        return (time.perf_counter() - began) / len(names)


async def _measure(nodes: int, names: int) -> dict[str, Any]:
    system = System(nodes, names)
    frames = Frames()
    began = time.perf_counter()
    await system.start()
    found: dict[str, Any] = {"start_ms": (time.perf_counter() - began) / names * 1000}
    gc.collect()
    gc.freeze()  # all nodes share one heap, which is not so elsewhere
    await frames.over()
    found["start_frames"] = frames.count / names
    for measure in (_join, _first_use, _crash, _death):
        found |= await measure(system, frames)
    return found


async def _join(system: System, frames: Frames) -> dict[str, float]:
    await system.lose("more")
    await frames.over()
    tracemalloc.start(1)
    await asyncio.sleep(0.6)  # so that what each node makes anew all the time is counted before
    before = _memory()
    frames.clear()
    await system.join("more")
    await frames.over()
    joined = _memory()
    count, size = frames.count, frames.bytes
    used = system.names[:_USED]
    await system.asks("more", used)
    await frames.over()
    used_kib = (_memory() - joined) / len(used)
    tracemalloc.stop()
    await system.lose("more")
    await frames.over()
    began = time.perf_counter()
    await system.join("more")
    return {
        "join_ms": (time.perf_counter() - began) * 1000,
        "join_frames": count,
        "join_kib": size / 1024,
        "node_kib": joined - before,
        "used_kib": used_kib,
    }


def _memory() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1024


async def _first_use(system: System, frames: Frames) -> dict[str, float]:
    await frames.over()
    names = system.names[-50:]
    return {
        "first_ms": await system.asks("more", names) * 1000,
        "next_ms": await system.asks("more", names) * 1000,
    }


async def _crash(system: System, frames: Frames) -> dict[str, float]:
    name = system.names[0]
    for node in system.nodes[1:4]:
        await system.asks(node, [name])
    await frames.over()
    frames.clear()
    back = asyncio.Event()
    system.runtime.on("restarted", lambda _: back.set())
    await system.runtime.send(name, 1, "crash")
    await back.wait()
    await frames.over()
    return {"crash_frames": frames.count}


async def _death(system: System, frames: Frames) -> dict[str, float]:
    frames.clear()
    node = system.nodes[0]
    hosted = system.names[:: len(system.nodes)]
    longest = asyncio.create_task(_longest_turn(frames))
    await system.lose(node)
    await system.join(node)
    await system.runtime.ask(hosted[-1], 1)
    own = 2 * len(hosted)  # it is told to start each, and says that it has
    return {"death_ms": await longest * 1000, "death_frames": frames.count - own}


async def _longest_turn(frames: Frames) -> float:
    longest, last = 0.0, time.thread_time()
    while time.perf_counter() - frames.calm < 0.5:
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    return longest


def main() -> int:
    """Measure each case in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--names", type=int, nargs="*", default=[100, 10_000])
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.case:
        found = asyncio.run(_measure(*arguments.case))
        print(json.dumps(found), flush=True)
        return 0
    cases = [(nodes, names) for nodes in arguments.nodes for names in arguments.names]
    results = {}
    for case in cases:
        command = [sys.executable, "-m", "benchmarks.scale", "--case", *map(str, case)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return 1
        results[case] = json.loads(done.stdout)
    print("| |", " | ".join(f"{nodes} nodes, {names:,} names" for nodes, names in cases), "|")
    print("|---|" + "---|" * len(cases))
    for key, what in _ROWS.items():
        print(f"| {what} |", " | ".join(_figure(results[case][key]) for case in cases), "|")
    return 0


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"


if __name__ == "__main__":
    sys.exit(main())
