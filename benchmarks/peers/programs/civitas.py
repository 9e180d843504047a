"""Civitas, this version."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.agents import Echo, Fragile, Saver, Sink, echoes
from benchmarks.peers import frameworks, line, mortal
from civitas import (
    AgentProcess,
    HandlerFailed,
    Message,
    Runtime,
    SQLiteStateStore,
    Supervisor,
    wrap,
)
from civitas.errors import NodeDown


def look(number: int) -> str:
    """Look up a number."""
    return f"number {number}"


class Far(Echo):
    """Under a name of this module, where the other process finds it."""


class Pid(AgentProcess):
    """Answers with the process that it runs in."""

    async def handle(self, message: Message) -> Message:
        """Answer."""
        return self.reply(os.getpid())


class Mortal(AgentProcess):
    """Makes a run whose process is killed."""

    async def handle(self, message: Message) -> Message:
        """Make its steps."""
        for number in range(mortal.STEPS):
            await self.step(f"step {number}", partial(mortal.step, *message.payload, number))
        return self.reply(None)


def _far(kind: str, **options: Any) -> dict[str, Any]:
    """A system with an agent in a process of its own, which comes back at once."""
    agent = {
        "name": "far",
        "type": f"benchmarks.peers.programs.civitas.{kind}",
        "process": "worker",
    }
    children = [{"agent": agent | options}]
    return {
        "name": "far",
        "supervision": {"backoff": "none", "max_restarts": 100, "children": children},
    }


async def ask(size: int) -> float:
    """One ask after another."""
    async with Runtime(echoes(1)) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.ask("e0", line.PAYLOAD)
        return time.perf_counter() - started


async def send(size: int) -> float:
    """Sends, until all are handled."""
    done = asyncio.Event()
    async with Runtime(Supervisor("root", children=[Sink("sink", size, done)])) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.send("sink", line.PAYLOAD)
        await done.wait()
        return time.perf_counter() - started


async def crowd(size: int) -> float:
    """A hundred asks at once, each to an agent of its own."""
    async with Runtime(echoes(line.AGENTS)) as runtime:
        started = time.perf_counter()
        for _ in range(size // line.AGENTS):
            await asyncio.gather(*(runtime.ask(f"e{n}", line.PAYLOAD) for n in range(line.AGENTS)))
        return time.perf_counter() - started


async def start(size: int) -> float:
    """Agents under a supervisor, until each has answered."""
    started = time.perf_counter()
    async with Runtime(echoes(size)) as runtime:
        await asyncio.gather(*(runtime.ask(f"e{n}", line.PAYLOAD) for n in range(size)))
        return time.perf_counter() - started


async def restart(size: int) -> float:
    """From a crash to the answer of the next incarnation."""
    tree = Supervisor("root", children=[Fragile("f")], backoff="NONE", max_restarts=size + 1)
    async with Runtime(tree) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            with suppress(HandlerFailed):
                await runtime.ask("f", line.PAYLOAD, "crash")
            await runtime.ask("f", line.PAYLOAD)
        return time.perf_counter() - started


def _frameworks(folder: Path) -> dict[str, line.Work]:
    """The works of the adapters."""

    async def durable_agent(agent: Any, asked: Any, each: int, size: int) -> float:
        store = SQLiteStateStore(folder / "frameworks.db")
        try:
            async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:

                async def run(name: str) -> None:
                    await runtime.ask("framework", asked, conversation=name, timeout=None)

                return await frameworks.in_runs(run, each)(size)
        finally:
            await store.close()

    async def graph_steps(size: int) -> float:
        """The steps of durable runs of a graph."""
        options: Any = {"durable": True, "config": {"recursion_limit": 1000}}
        graph = wrap(frameworks.graph(), name="framework", **options)
        return await durable_agent(graph, {"done": 0, "text": ""}, frameworks.GRAPH_STEPS, size)

    async def tool_calls(size: int) -> float:
        """The calls of tools of durable runs of an agent of the SDK."""
        options: Any = {"durable": True, "max_turns": None}
        agent = wrap(frameworks.agent(look), name="framework", **options)
        return await durable_agent(agent, {"input": "Look."}, frameworks.TOOL_CALLS, size)

    return {"graph-steps": graph_steps, "tool-calls": tool_calls}


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    async def far_ask(size: int) -> float:
        """One ask after another, of an agent in another OS process."""
        async with Runtime.from_config(_far("Far")) as runtime:
            await runtime.ask("far", line.PAYLOAD)
            started = time.perf_counter()
            for _ in range(size):
                await runtime.ask("far", line.PAYLOAD)
            return time.perf_counter() - started

    async def far_send(size: int) -> float:
        """Sends to an agent in another OS process, until all are handled."""
        async with Runtime.from_config(_far("Far")) as runtime:
            await runtime.ask("far", line.PAYLOAD)
            started = time.perf_counter()
            for _ in range(size):
                await runtime.send("far", line.PAYLOAD)
            await runtime.ask("far", line.PAYLOAD, timeout=None)
            return time.perf_counter() - started

    async def durably(work: str, size: int) -> float:
        store = SQLiteStateStore(folder / "civitas.db")
        pool = [Saver(f"s{n}", delivery="durable") for n in range(line.RUNS)]
        free = [each.name for each in pool]

        async def run(steps: int) -> None:
            name = free.pop()
            await runtime.ask(name, steps, "steps", timeout=None)
            free.append(name)

        try:
            async with Runtime(Supervisor("root", children=pool), state_store=store) as runtime:
                return await line.durable(run)[work](size)
        finally:
            await store.close()

    async def kill(size: int) -> float:
        """From `kill -9` of the process of an agent until its next answer."""
        async with Runtime.from_config(_far("Pid")) as runtime:
            seconds = 0.0
            for _ in range(size):
                pid = again = (await runtime.ask("far", line.PAYLOAD)).payload
                started = time.perf_counter()
                os.kill(pid, signal.SIGKILL)
                while again == pid:
                    with suppress(NodeDown):  # it was on its way
                        again = (await runtime.ask("far", line.PAYLOAD)).payload
                seconds += time.perf_counter() - started
            return seconds

    async def recover(size: int) -> float:
        """From `kill -9` until the answer of a durable run."""
        state = {"type": "sqlite", "path": str(folder / "mortal.db")}
        there = _far("Mortal", delivery="durable") | {"state": state}
        async with Runtime.from_config(there) as runtime:

            async def ask(name: str) -> None:
                await runtime.ask("far", [str(folder), name], timeout=None)

            return await mortal.recover(folder, ask)(size)

    works = {"ask": ask, "send": send, "crowd": crowd, "start": start, "restart": restart}
    works |= {"far-ask": far_ask, "far-send": far_send, "kill": kill, "recover": recover}
    works |= _frameworks(folder)
    yield works | {each: partial(durably, each) for each in ("steps", "many-steps")}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # the crashes are on purpose
    line.main(_opened, "civitas-core", "msgpack", "pyzmq")
