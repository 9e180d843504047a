"""Civitas doing the same jobs as `benchmarks.limits`."""

from __future__ import annotations

import asyncio
import tempfile
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

from benchmarks.limits import PAYLOAD
from civitas import AgentProcess, HandlerFailed, Message, Runtime, SQLiteStateStore, Supervisor


class Echo(AgentProcess):
    """Answers with what it was asked."""

    async def handle(self, message: Message) -> Message:
        """Answer."""
        return self.reply(message.payload)


class Sink(AgentProcess):
    """Counts what it gets."""

    def __init__(self, name: str, expected: int, done: asyncio.Event) -> None:
        super().__init__(name)
        self.left = expected
        self.done = done

    async def handle(self, message: Message) -> None:
        """Count."""
        self.left -= 1
        if not self.left:
            self.done.set()


class Fragile(AgentProcess):
    """Answers, or crashes when told to."""

    async def handle(self, message: Message) -> Message:
        """Answer or crash."""
        if message.type == "crash":
            raise ValueError("as told")
        return self.reply(message.payload)


class Saver(AgentProcess):
    """Saves its state a number of times for one message."""

    async def handle(self, message: Message) -> Message:
        """Save, and answer with the seconds it took."""
        started = time.perf_counter()
        for number in range(message.payload["rounds"]):
            self.state["n"] = number
            await self.checkpoint()
        return self.reply(time.perf_counter() - started)


def echoes(count: int) -> Supervisor:
    """A supervisor over that many agents."""
    return Supervisor("root", children=[Echo(f"e{number}") for number in range(count)])


async def ask(rounds: int = 5000) -> float:
    """Microseconds of one ask after another."""
    async with Runtime(echoes(1)) as runtime:
        started = time.perf_counter()
        for _ in range(rounds):
            await runtime.ask("e0", PAYLOAD)
        return (time.perf_counter() - started) / rounds * 1e6


async def send(count: int = 20_000) -> float:
    """Thousands of sends a second until handled."""
    done = asyncio.Event()
    async with Runtime(Supervisor("root", children=[Sink("sink", count, done)])) as runtime:
        started = time.perf_counter()
        for _ in range(count):
            await runtime.send("sink", PAYLOAD)
        await done.wait()
        return count / (time.perf_counter() - started) / 1e3


async def crowd(agents: int = 1000, askers: int = 100, rounds: int = 100) -> float:
    """Thousands of asks a second, many askers over many agents."""
    async with Runtime(echoes(agents)) as runtime:

        async def ask_around(first: int) -> None:
            for number in range(rounds):
                await runtime.ask(f"e{(first + number) % agents}", PAYLOAD)

        started = time.perf_counter()
        await asyncio.gather(*(ask_around(number * 10) for number in range(askers)))
        return askers * rounds / (time.perf_counter() - started) / 1e3


async def restart(rounds: int = 300) -> float:
    """Microseconds from a crash to the next answer, without backoff."""
    tree = Supervisor(
        "root", children=[Fragile("f")], backoff="NONE", max_restarts=rounds + 1, restart_window=60
    )
    async with Runtime(tree) as runtime:
        started = time.perf_counter()
        for _ in range(rounds):
            with suppress(HandlerFailed):
                await runtime.ask("f", PAYLOAD, "crash")
            await runtime.ask("f", PAYLOAD)
        return (time.perf_counter() - started) / rounds * 1e6


async def idle_memory(count: int = 2000) -> float:
    """KiB of one idle agent."""
    async with Runtime(echoes(1)):  # what is loaded on first use is not an agent's
        pass
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    async with Runtime(echoes(count)):
        used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / count / 1024


async def start_many(count: int = 10_000) -> float:
    """Seconds to start them."""
    tree = echoes(count)
    started = time.perf_counter()
    async with Runtime(tree):
        return time.perf_counter() - started


async def checkpoint(rounds: int = 200) -> float:
    """Durable checkpoints a second, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStateStore(Path(folder) / "ours.db")
        tree = Supervisor("root", children=[Saver("a")])
        try:
            async with Runtime(tree, state_store=store) as runtime:
                reply = await runtime.ask("a", {"rounds": rounds})
        finally:
            await store.close()
        return rounds / float(reply.payload)
