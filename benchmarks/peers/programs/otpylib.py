"""otpylib: a gen_server for each agent, and its supervisor, on its asyncio backend."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from otpylib import gen_server, process, supervisor
from otpylib.gen_server import NoReply, Reply
from otpylib.module import GEN_SERVER, SUPERVISOR, OTPModule
from otpylib.runtime import set_runtime
from otpylib.runtime.backends.asyncio_backend.backend import AsyncIOBackend

from benchmarks.peers import line


class Echo(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):
    """Answers with what it was asked, or crashes."""

    async def init(self, arguments: Any) -> Any:
        """Begin."""
        return {}

    async def handle_call(self, payload: Any, source: Any, state: Any) -> Any:
        """Answer."""
        return Reply(payload), state

    async def handle_cast(self, payload: Any, state: Any) -> Any:
        """Read, or crash."""
        if payload == "crash":
            raise ValueError("as told")
        return NoReply(), state

    async def handle_info(self, message: Any, state: Any) -> Any:
        """Read what is neither."""
        return NoReply(), state

    async def terminate(self, reason: Any, state: Any) -> None:
        """Nothing is left to do."""


class Above(metaclass=OTPModule, behavior=SUPERVISOR, version="1.0.0"):
    """Keeps one of them up."""

    async def init(self, restarts: int) -> Any:
        """Say what it keeps up."""
        child = supervisor.child_spec(id="fragile", module=Echo, name="fragile")
        return [child], supervisor.options(max_restarts=restarts + 1, max_seconds=3600)

    async def terminate(self, reason: Any, state: Any) -> None:
        """Nothing is left to do."""


async def _started(name: str) -> str:
    # A server without a name cannot be called: 0.5.18 looks its pid up among the names.
    await gen_server.start(Echo, name=name)
    return name


async def ask(size: int) -> float:
    """One call after another."""
    echo = await _started("echo")
    started = time.perf_counter()
    for _ in range(size):
        await gen_server.call(echo, line.PAYLOAD)
    return time.perf_counter() - started


async def send(size: int) -> float:
    """Casts, until all are handled."""
    echo = await _started("echo")
    started = time.perf_counter()
    for _ in range(size):
        await gen_server.cast(echo, line.PAYLOAD)
    await gen_server.call(echo, line.PAYLOAD)
    return time.perf_counter() - started


async def crowd(size: int) -> float:
    """A hundred calls at once, each by a process of its own to a server of its own."""
    echoes = [await _started(f"e{number}") for number in range(line.AGENTS)]
    answered: asyncio.Queue[None] = asyncio.Queue()

    async def caller(echo: Any, times: int) -> None:
        for _ in range(times):
            await gen_server.call(echo, line.PAYLOAD)
        answered.put_nowait(None)

    started = time.perf_counter()
    for echo in echoes:
        await process.spawn(caller, args=[echo, size // line.AGENTS], mailbox=True)
    for _ in echoes:
        await answered.get()
    return time.perf_counter() - started


async def start(size: int) -> float:
    """Servers, until each has answered."""
    started = time.perf_counter()
    for number in range(size):
        await gen_server.call(await _started(f"s{number}"), line.PAYLOAD)
    return time.perf_counter() - started


async def restart(size: int) -> float:
    """From a crash to the answer of the next one."""
    await Above.start_link(init_arg=size)
    started = time.perf_counter()
    for _ in range(size):
        crashed = process.whereis("fragile")
        # A cast, since nobody tells the caller of a call that the server crashed in it.
        await gen_server.cast("fragile", "crash")
        while process.whereis("fragile") in (None, crashed):
            await asyncio.sleep(0)
        await gen_server.call("fragile", line.PAYLOAD, timeout=5)
    return time.perf_counter() - started


def _in_process(work: line.Work) -> line.Work:
    """Only a process of its own may start and call."""

    async def run(size: int) -> float:
        backend = AsyncIOBackend()
        await backend.initialize()
        set_runtime(backend)
        found: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        async def main() -> None:
            try:
                found.set_result(await work(size))
            except BaseException as error:
                found.set_exception(error)

        try:
            await process.spawn(main, mailbox=True)
            return await found
        finally:
            await backend.shutdown()

    return run


if __name__ == "__main__":
    works = {each.__name__: _in_process(each) for each in (ask, send, crowd, start, restart)}
    line.main(line.simply(works), "otpylib")
