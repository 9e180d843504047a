"""A child that a handler forks: it ends where it comes back to our code."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """\
import asyncio, os, sys, logging
from civitas import AgentProcess, Runtime, Supervisor

def child(how):
    if how == "exit": sys.exit(7)
    if how == "text": sys.exit("bye")
    if how == "raise": raise ValueError("of the child")

def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

class Neighbour(AgentProcess):
    async def handle(self, m):
        print("the neighbour, in", m.payload, flush=True)
        return self.reply(None)

class Forks(AgentProcess):
    async def handle(self, m):
        await asyncio.sleep(0)  # a turn of the event loop in which nobody ran yet
        if (pid := os.fork()) == 0:
            child(m.payload)
            if m.payload == "await": await asyncio.sleep(0)
            if m.payload == "ask": await self.ask("neighbour", "the child")
            return self.reply("from the child")
        return self.reply(await asyncio.to_thread(status, pid))

class ForksInThread(AgentProcess):
    def handle(self, m):
        if (pid := os.fork()) == 0:
            child(m.payload)
            return self.reply("from the child")
        return self.reply(status(pid))

class ForksInTask(AgentProcess):
    async def handle(self, m):
        return self.reply(await asyncio.create_task(self.fork(m.payload)))
    async def fork(self, how):
        if (pid := os.fork()) == 0:
            return child(how)
        return await asyncio.to_thread(status, pid)

class ForksAtStart(Forks):
    async def on_start(self):
        if (pid := os.fork()) == 0:
            return
        self.status = await asyncio.to_thread(status, pid)
    async def handle(self, m):
        return self.reply(self.status)

async def main():
    kinds = {"async": Forks("async"), "timed": Forks("timed", handle_timeout=20), "thread": ForksInThread("thread"),
             "task": ForksInTask("task"), "start": ForksAtStart("start"),
             "neighbour": Neighbour("neighbour")}
    async with Runtime(Supervisor("root", list(kinds.values()))) as runtime:
        for order in sys.argv[1:]:
            name, how = order.split()
            reply = await runtime.ask(name, how, timeout=10)
            print(order, reply.payload, flush=True)

asyncio.run(main())
print("the end", os.getpid(), flush=True)
"""

RIGHT = {
    "async exit": 7,
    "async text": 1,
    "async raise": 1,
    "async return": 0,
    "async await": 1,
    "async ask": 1,
    "timed exit": 7,
    "timed return": 0,
    "thread exit": 7,
    "thread raise": 1,
    "thread return": 0,
    "task exit": 7,
    "start return": 0,
}


@pytest.fixture(scope="module")
def done() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *RIGHT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.promise(id="SEM-1112")
@pytest.mark.parametrize("order", RIGHT)
def test_a_forked_child_ends_with_its_status_where_it_comes_back(
    done: subprocess.CompletedProcess[str], order: str
) -> None:
    assert f"{order} {RIGHT[order]}\n" in done.stdout, done


@pytest.mark.promise(id="SEM-1112")
def test_no_second_copy_goes_on_and_the_errors_of_the_children_are_seen(
    done: subprocess.CompletedProcess[str],
) -> None:
    assert done.returncode == 0
    assert done.stdout.count("the end") == 1
    assert len(done.stdout.splitlines()) == len(RIGHT) + 1
    assert "ValueError: of the child" in done.stderr
    assert "bye" in done.stderr
    assert "a forked child returned to its parent's event loop" in done.stderr
