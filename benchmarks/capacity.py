"""What a system with a million conversations on a hundred machines would meet first: a model, fed by measurements.

It measures on this machine what one turn of a conversation costs each part: the root, a process that hosts agents, the
NATS server. Then it says how much of each a given load takes, and at which load each is full. Best on a quiet machine:
`python -m benchmarks.capacity --conversations 1000000 --machines 100 --turns-per-hour 4`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import environment
from civitas import AgentProcess, Message, Runtime
from tests.nats_server import NatsServer

_ASKS, _AT_ONCE = 6_400, 64
_CONVERSATIONS = 4_000
_NAMES = 500
_SAVES = 2_000
_CONSUMERS = 500
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Hand(AgentProcess):
    """Answers, asks others as often as it is told, saves, and says what its OS process has used."""

    async def handle(self, message: Message) -> Message:
        """Do what the type of the message says."""
        order = message.payload
        match message.type:
            case "ask":
                await self._ask_all(order["names"], order["talks"])
            case "save":
                for n in range(order):
                    self.state |= {"n": n, "text": "x" * 1000}
                    await self.checkpoint()
            case "used":
                return self.reply([time.process_time(), _resident(os.getpid())])
        return self.reply(None)

    async def _ask_all(self, names: list[str], talks: int) -> None:
        left = iter([(name, None) for name in names] + [("talks", f"c{n}") for n in range(talks)])

        async def some() -> None:
            for name, conversation in left:
                await self.ask(name, {"n": 1}, conversation=conversation, timeout=60)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _used(pid: int) -> float:
    """Seconds of processor time of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _system(transport: dict[str, Any], *more: dict[str, Any], **keys: Any) -> Runtime:
    def agent(name: str, process: str, **keywords: Any) -> dict[str, Any]:
        kind = "benchmarks.capacity:Hand"
        return {"agent": {"name": name, "type": kind, "process": process, **keywords}}

    pool = agent("talks", "b", max_live=100_000, idle_timeout=5)["agent"]
    children = [
        agent("asker", "a"),
        agent("echo", "b"),
        agent("sure", "b", delivery="at_least_once", mailbox_size=1000),
        {"conversation_pool": pool},
        *(agent(f"name-{n}", "b") for n in range(_NAMES)),
        *more,
    ]
    config = {"name": "capacity", "transport": transport, "supervision": {"children": children}}
    return Runtime.from_config({**config, **keys})


async def _processor(runtime: Runtime) -> dict[str, float]:
    """Seconds of processor time that each process has used."""
    asker, echo = [(await runtime.ask(name, None, "used")).payload for name in ("asker", "echo")]
    return {"root": time.process_time(), "asker": asker[0], "host": echo[0], "memory": echo[1]}


async def _each(runtime: Runtime, names: list[str], talks: int = 0) -> dict[str, float]:
    """What an ask by an agent in another process costs each process: microseconds; bytes for the memory."""
    before = await _processor(runtime)
    await runtime.ask("asker", {"names": names, "talks": talks}, "ask", timeout=600)
    after = await _processor(runtime)
    count = len(names) + talks
    scale = {"memory": 1 / count}
    return {key: (after[key] - before[key]) * scale.get(key, 1e6 / count) for key in after}


async def _between_processes() -> dict[str, float]:
    """Over ZMQ: what passes the root is the same over any carrier."""
    async with _system({"type": "zmq"}) as runtime:
        first = await _each(runtime, [f"name-{n}" for n in range(_NAMES)])
        await _each(runtime, ["echo"] * _ASKS)
        direct = await _each(runtime, ["echo"] * _ASKS)
        relayed = await _each(runtime, ["sure"] * _ASKS)
        talk = await _each(runtime, [], _CONVERSATIONS)
        before = time.process_time()
        while runtime.which_children("talks"):
            await asyncio.sleep(0.2)
        asleep = (time.process_time() - before) / _CONVERSATIONS * 1e6
    return {
        "root: an agent is used by a process for the first time": first["root"],
        "root: an ask between two other processes": direct["root"],
        "root: the same to an at_least_once agent, without JetStream": relayed["root"],
        "root: a conversation wakes and goes to sleep": max(talk["root"] - direct["root"], 0)
        + asleep,
        "host: an ask is answered": direct["host"],
        "host: the first ask of a conversation that sleeps": talk["host"],
        "host: memory of a conversation that is awake (KiB)": talk["memory"] / 1024,
    }


async def _over_nats(server: NatsServer) -> dict[str, float]:
    pid = server.pid
    transport = {"type": "nats", "servers": [server.url]}
    state = {"type": "nats_kv", "bucket": "state", "servers": [server.url]}
    async with _system(transport, state=state) as runtime:
        await _each(runtime, ["echo"] * _ASKS)
        began = _used(pid)
        await _each(runtime, ["echo"] * _ASKS)
        ask = (_used(pid) - began) / _ASKS * 1e6
        began = _used(pid)
        for _ in range(1000):
            await runtime.ask("echo", {"n": 1})
        alone = (_used(pid) - began) / 1000 * 1e6
        began = _used(pid)
        host = (await _processor(runtime))["host"]
        await runtime.ask("echo", _SAVES, "save", timeout=600)
        save = (_used(pid) - began) / _SAVES * 1e6
        saves = ((await _processor(runtime))["host"] - host) / _SAVES * 1e6
    return {
        "NATS: an ask, 64 at once": ask,
        "NATS: an ask, alone": alone,
        "NATS: a checkpoint": save,
        "host: a checkpoint": saves,
    }


async def _consumers(server: NatsServer) -> dict[str, float]:
    import nats

    client = await nats.connect(server.url)
    stream = client.jetstream()
    await stream.add_stream(name="mailboxes", subjects=["mbox.>"], retention="workqueue")
    before, began, used = _resident(server.pid), time.perf_counter(), _used(server.pid)
    for n in range(_CONSUMERS):
        await stream.add_consumer(
            "mailboxes",
            durable_name=f"mbox_{n}",
            filter_subject=f"mbox.{n}",
            ack_policy="explicit",
        )
    took = time.perf_counter() - began
    found = {
        "NATS: a consumer is made (ms, wall clock)": took / _CONSUMERS * 1000,
        "NATS: a consumer is made": (_used(server.pid) - used) / _CONSUMERS * 1e6,
        "NATS: memory of a consumer (KiB)": (_resident(server.pid) - before) / _CONSUMERS / 1024,
    }
    used = _used(server.pid)
    pulled = await stream.pull_subscribe("mbox.0", "mbox_0", "mailboxes")
    for _ in range(_ASKS // _AT_ONCE):
        await asyncio.gather(*(stream.publish("mbox.0", b"x" * 300) for _ in range(_AT_ONCE)))
        for message in await pulled.fetch(_AT_ONCE):
            await message.ack()
    await client.flush()
    stored = (_used(server.pid) - used) / _ASKS * 1e6
    await client.close()
    return {"NATS: a message is stored, delivered and acknowledged": stored, **found}


def _model(found: dict[str, float], load: argparse.Namespace) -> list[tuple[str, float, str]]:
    """How much of each part the load takes: its name, the share, and what the whole of it is."""
    turns = load.conversations * load.turns_per_hour / 3600
    each = turns / load.machines
    asks = 1 + load.asks_per_turn
    micro = 1e-6
    wakes = found["root: a conversation wakes and goes to sleep"]
    relay = found["root: the same to an at_least_once agent, without JetStream"]
    stored = found["NATS: a message is stored, delivered and acknowledged"]
    nats_ask, nats_save = found["NATS: an ask, alone"], found["NATS: a checkpoint"]
    host = (
        found["host: the first ask of a conversation that sleeps"]
        + load.asks_per_turn * found["host: an ask is answered"]
        + load.checkpoints_per_turn * found["host: a checkpoint"]
    )
    awake = each * (load.seconds_per_turn + load.idle_timeout)
    memory = awake * found["host: memory of a conversation that is awake (KiB)"] / 1024**2
    replicas = load.machines * load.processes
    return [
        ("root's event loop", turns * wakes * micro, "of one core"),
        (
            "root's event loop, if every ask is relayed (at_least_once without JetStream)",
            turns * (wakes + asks * relay) * micro,
            "of one core",
        ),
        (
            "one NATS server: messages",
            turns * asks * nats_ask * micro / load.cores,
            f"of {load.cores} cores",
        ),
        (
            "one NATS server: mailboxes, if every ask is durable",
            turns * asks * stored * micro / load.cores,
            f"of {load.cores} cores",
        ),
        (
            "one NATS server: state in a bucket",
            turns * load.checkpoints_per_turn * nats_save * micro / load.cores,
            f"of {load.cores} cores",
        ),
        ("a host's event loop", each / load.processes * host * micro, "of one core"),
        ("a host's memory", memory / load.gib, f"of {load.gib} GiB, {awake:,.0f} awake"),
        (
            "NATS: memory of the consumers, one for each replica",
            replicas * found["NATS: memory of a consumer (KiB)"] / 1024**2 / load.gib,
            f"of {load.gib} GiB, {replicas} consumers",
        ),
        (
            "NATS: memory of the consumers, if each conversation were one",
            load.conversations * found["NATS: memory of a consumer (KiB)"] / 1024**2 / load.gib,
            f"of {load.gib} GiB",
        ),
    ]


async def _measure() -> dict[str, float]:
    found = await _between_processes()
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder), f"jetstream {{store_dir: {json.dumps(folder)}}}").start()
        try:
            found |= await _over_nats(server)
            found |= await _consumers(server)
        finally:
            server.close()
    return found


def main() -> int:
    """Measure, and print what was found and what follows for the load that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--processes", type=int, default=8, help="on each machine")
    parser.add_argument("--turns-per-hour", type=float, default=4, help="of a conversation")
    parser.add_argument("--asks-per-turn", type=int, default=3, help="of other agents")
    parser.add_argument("--checkpoints-per-turn", type=int, default=4)
    parser.add_argument("--seconds-per-turn", type=float, default=15)
    parser.add_argument("--idle-timeout", type=float, default=60)
    parser.add_argument("--cores", type=int, default=8, help="of the NATS server")
    parser.add_argument("--gib", type=int, default=16, help="memory of a machine")
    load = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(environment(), file=sys.stderr)
    found = asyncio.run(_measure())
    print("| measured, processor time in µs unless it says otherwise | |\n|---|---|")
    for what, figure in found.items():
        print(f"| {what} | {figure:,.0f} |" if figure >= 10 else f"| {what} | {figure:.2g} |")
    turns = load.conversations * load.turns_per_hour / 3600
    print(f"\n{turns:,.0f} turns a second:\n")
    print("| part | taken | full at |\n|---|---|---|")
    for part, share, whole in sorted(_model(found, load), key=lambda each: -each[1]):
        full = "" if "consumers" in part else f"{turns / share:,.0f} turns/s"
        print(f"| {part} | {share:.1%} {whole} | {full} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
