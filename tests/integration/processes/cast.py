"""Agents for the tests of OS processes; the workers import them from here."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from civitas import AgentProcess, Message
from civitas.transport.zmq.link import ZmqLink
from tests.integration.processes.mischief import (
    LEAVE,
    cut_off,
    eat_memory,
    end_this_process,
    listens_at,
    stuck_in_c,
    stuck_in_python,
)


def write_line(file: str, line: str) -> None:
    """Append a line; what is written is there when the writer is killed a moment later."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


class Actor(AgentProcess):
    """Does what the type of a message says, and answers with its payload."""

    async def handle(self, message: Message) -> Message | None:
        payload = message.payload
        match message.type:
            case "pid":
                return self.reply(os.getpid())
            case "end":
                end_this_process(payload)
                await asyncio.Event().wait()
            case "crash":
                # Half a character cannot be sent, but may stand in an error.
                raise ValueError(str(payload).encode().decode("unicode_escape"))
            case "busy":
                until = time.monotonic() + payload
                while time.monotonic() < until:
                    pass
            case "stuck_in_python" | "stuck_in_c":
                if payload is not None:
                    write_line(payload, "stuck from now on")
                (stuck_in_python if message.type == "stuck_in_python" else stuck_in_c)()
            case "hold":
                write_line(payload, "holding")
                await asyncio.Event().wait()
            case "print":
                print(payload, flush=True)
                print(f"{payload} to stderr", file=sys.stderr, flush=True)
            case "ask":
                if "note" in payload:
                    write_line(payload["note"], "asking")
                reply = await self.ask(payload["to"], payload["payload"], payload["type"])
                return self.reply(reply.payload)
            case "send":
                await self.send(payload["to"], payload["payload"], payload["type"])
            case "eat":
                eat_memory(payload)
            case "leave":
                LEAVE[payload]()
            case "attempt":
                return self.reply(message.attempt)
        return self.reply(payload)


class Writer(AgentProcess):
    """Writes down whom it heard, in the order in which it did, and answers with the number."""

    def __init__(self, name: str, file: str, *, takes: float = 0.0, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file
        self.takes = takes

    async def handle(self, message: Message) -> Message:
        payload = message.payload
        if self.takes:
            await asyncio.sleep(self.takes)
        write_line(self.file, f"{payload['from']} {payload['n']}")
        if payload.get("poison"):
            poison(payload["poison"])
        return self.reply(payload["n"])


class Unlucky(AgentProcess):
    """Crashes and kills its process in turns, and writes down which attempt that was."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    async def handle(self, message: Message) -> Message | None:
        if message.payload is None:
            return self.reply("fine")
        write_line(self.file, str(message.attempt))
        if message.attempt % 2 == message.payload:
            poison("SIGKILL")
        raise ValueError("crashes")


def poison(how: str) -> None:
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)  # the signal is on its way


class Sender(AgentProcess):
    """Sends and asks until a file is there; answers with how many it sent."""

    async def handle(self, message: Message) -> Message:
        payload = message.payload
        n = 0
        while not Path(payload["until"]).exists():  # noqa: ASYNC240
            n = await send_a_few(self, self.name, payload["to"], n)
        return self.reply(n)


async def send_a_few(via: Any, sender: str, to: str, n: int) -> int:
    """Two sends and an ask; `via` is an agent or the runtime."""
    for _ in range(2):
        await via.send(to, {"from": sender, "n": n})
        n += 1
    reply = await via.ask(to, {"from": sender, "n": n})
    if reply.payload != n:
        raise AssertionError(f"the answer to {n} was {reply.payload}")
    return n + 1


class Counter(AgentProcess):
    """Counts, durably."""

    async def handle(self, message: Message) -> Message:
        if message.type == "die":
            os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.Event().wait()
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state["n"])


class Life(Actor):
    """Writes down when it starts and when it stops."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    async def on_start(self) -> None:
        write_line(self.file, f"start {self.name}")

    async def on_stop(self) -> None:
        write_line(self.file, f"stop {self.name}")


class Parted(Actor):
    """Can be cut off from other processes."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "where":
                return self.reply(listens_at())
            case "cut off":
                cut_off(message.payload)
        return await super().handle(message)


class SlowToStart(Actor):
    """Is ready a while after the others."""

    async def on_start(self) -> None:
        await asyncio.sleep(0.2)


class Slow(AgentProcess):
    """Takes its time with each message, and knows how many came and whether in order."""

    async def on_start(self) -> None:
        self.count = 0
        self.in_order = True

    async def handle(self, message: Message) -> Message | None:
        if message.type == "count":
            return self.reply({"count": self.count, "in_order": self.in_order})
        self.in_order = self.in_order and message.payload["n"] == self.count
        self.count += 1
        if not self.count % 1000:
            await asyncio.sleep(0.001)
        return None


class Emitter(AgentProcess):
    """Emits the id of its process without end."""

    async def handle(self, message: Message) -> None:
        while True:
            await self.emit(os.getpid())


class Unbuildable(AgentProcess):
    """Its constructor raises."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        raise ValueError("it cannot be built")


class Relay(AgentProcess):
    """Sends as many messages as it is told, and answers when all were accepted."""

    async def handle(self, message: Message) -> Message:
        to, count = message.payload["to"], message.payload["count"]
        orders = [{"from": self.name, "n": n} for n in range(count)]
        if message.type == "send at once":
            await asyncio.gather(*(self.send(to, order, timeout=None) for order in orders))
            await self.ask(to, {"from": self.name, "n": "last"})
        else:
            for order in orders:
                await self.send(to, order)
        return self.reply(count)


class Scheduled(AgentProcess):
    """Writes down each time that it was due, and its own name."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    async def handle(self, message: Message) -> None:
        if message.type == "civitas.schedule":
            write_line(self.file, f"{message.recipient} {message.payload['due'].timestamp():.6f}")


class Gated(Writer):
    """A writer that begins when a file is there."""

    def __init__(self, name: str, file: str, gate: str, **keywords: Any) -> None:
        super().__init__(name, file, **keywords)
        self.gate = Path(gate)

    async def handle(self, message: Message) -> Message:
        while not self.gate.exists():
            await asyncio.sleep(0.005)
        return await super().handle(message)


class Last(Writer):
    """A writer whose process is killed when it is finished, before that can be said."""

    async def handle(self, message: Message) -> Message:
        if not message.payload.get("last"):
            return await super().handle(message)
        is_finished = False
        turn = ZmqLink._turn

        def last_turn(link: ZmqLink) -> None:
            if is_finished:
                os.kill(os.getpid(), signal.SIGKILL)
            turn(link)

        ZmqLink._turn = last_turn  # type: ignore[method-assign, assignment]
        await asyncio.sleep(0)  # what is due already is still said
        reply = await super().handle(message)
        is_finished = True
        return reply


class Ticks(AgentProcess):
    """Works without end, and notes in which process; it lets no cancellation through."""

    def __init__(self, name: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.file = file

    async def handle(self, message: Message) -> None:
        while True:
            self.tick()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.005)

    def tick(self) -> None:
        write_line(self.file, str(os.getpid()))


class TicksInThread(Ticks):
    """The same in a thread."""

    def handle(self, message: Message) -> None:  # type: ignore[override]
        while True:
            self.tick()
            time.sleep(0.005)


class StepsAndDies(AgentProcess):
    """Records a step, notes that, and kills its process; for `late` when it is finished with the message."""

    async def handle(self, message: Message) -> None:
        await self.step("work", os.getpid)
        assert self.store is not None
        await self.store.set("noted", {})
        if message.payload == "late":
            asyncio.get_running_loop().call_soon(poison, "SIGKILL")
            return
        poison("SIGKILL")
