"""Agents for the tests over NATS; the workers import them from here."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

import nats

from civitas import AgentProcess, Message
from civitas.message import encode, new_message
from tests.integration.processes.cast import Actor, write_line


class Traveller(Actor):
    """An actor that also tells the reader of a stream so many numbers, or kills its process, but once."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "count":
                for n in range(message.payload):
                    await self.emit(n)
                return self.reply("told")
            case "line":
                write_line(*message.payload)
                return None
            case "freeze":  # the event loop, until there is a file
                for _ in range(50):  # what this process has said before leaves it
                    await asyncio.sleep(0)
                self.freeze(message.payload)
                return self.reply("thawed")
            case "freeze at once":
                self.freeze(message.payload)
            case "die once":
                if message.attempt == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    await asyncio.Event().wait()
                return self.reply(message.attempt)
        return await super().handle(message)

    def freeze(self, file: str) -> None:
        """The event loop, until there is a file."""
        write_line(f"{file}.frozen", "")
        while not Path(file).exists():
            time.sleep(0.002)


class Speaker(AgentProcess):
    """Answers prompts: what it does stands in the prompt."""

    async def handle(self, message: Message) -> Message | None:
        if message.type == "resume":
            return self.reply({"output": f"you said {message.payload['values']}"})
        what, _, rest = message.payload["input"].partition(" ")
        match what:
            case "count":
                for n in range(int(rest)):
                    await self.emit({"text": f"{n} "}, "token")
                    await self.emit({"name": f"step-{n}"}, "step")
                return self.reply({"output": "".join(f"{n} " for n in range(int(rest)))})
            case "die":
                if message.attempt == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    await asyncio.Event().wait()
            case "fail":
                raise ValueError(rest)
            case "wait":
                write_line(rest, "began")
                try:
                    await asyncio.Event().wait()
                finally:
                    write_line(rest, "cancelled")
            case "approve":
                question = {"name": "pay", "arguments": {"euros": 5}}
                payload = {"interrupts": [{"id": "q1", "value": question}]}
                return new_message(
                    "interrupt",
                    self.name,
                    message.reply_to or "",
                    encode(payload),
                    correlation_id=message.id,
                    conversation=message.conversation or "new",
                )
            case "where":
                return self.reply([message.conversation, message.attempt])
        return self.reply(f"{self.name}: {message.payload['input']}")


class Ticker(AgentProcess):
    """Works all the time, and writes each beginning and end of its work into a ledger that all incarnations share."""

    def __init__(self, name: str, *, ledger: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._ledger = ledger

    async def on_start(self) -> None:
        self.send_after(0.01, self.name, None)

    async def handle(self, message: Message) -> Message | None:
        if message.reply_to is not None:
            return self.reply(os.getpid())
        for what in ("begins", "ends"):
            write_line(self._ledger, f"{self.name} {os.getpid()} {what} {time.time()}")
            await asyncio.sleep(0.01)
        self.send_after(0.01, self.name, None)
        return None


class Early(AgentProcess):
    """Sends to `to` before that has started, and writes down how many messages the server keeps then."""

    def __init__(self, name: str, *, to: str, server: str, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._to, self._server, self._file = to, server, file

    async def on_start(self) -> None:
        await self.send(self._to, "early", conversation="c")
        client = await nats.connect(self._server)
        streams = await client.jetstream().streams_info()
        kept = sum(
            each.state.messages for each in streams if "_mailboxes_" in str(each.config.name)
        )
        write_line(self._file, str(kept))
        await client.close()


class Blocker(AgentProcess):
    """Works all the time in a thread: writes a step into the ledger, and has `to` write one."""

    def __init__(self, name: str, *, ledger: str, to: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._ledger = ledger
        self._to = to

    async def on_start(self) -> None:
        self.send_after(0.01, self.name, None)

    def handle(self, message: Message) -> None:  # type: ignore[override]
        for n in itertools.count():
            line = f"{self.name} {os.getpid()}"
            self.run(self.step(f"{os.getpid()} {n}", write_line, self._ledger, f"{line} step"))
            self.run(self.send(self._to, [self._ledger, f"{line} send"], "line"))
            time.sleep(0.02)


class Scribe(AgentProcess):
    """Writes the payload and the attempt of each message into a file, and does what the payload says beside that."""

    def __init__(
        self, name: str, *, file: str, pause: float = 0.0, waits: bool = True, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self._file = file
        self._pause = pause
        self._waits = waits

    async def handle(self, message: Message) -> Message | None:
        payload = message.payload
        write_line(self._file, f"{payload} {message.attempt}")
        if payload == "die" or (payload == "die once" and message.attempt == 0):
            os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.Event().wait()
        if payload == "wait" and self._waits:
            await asyncio.Event().wait()
        if payload == "block":
            time.sleep(self._pause)  # noqa: ASYNC251
        await asyncio.sleep(self._pause)
        return self.reply(message.attempt)


class Fixable(AgentProcess):
    """Fails at every message, until there is a file `fixed` beside its own."""

    def __init__(self, name: str, *, file: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._file = Path(file)

    async def handle(self, message: Message) -> None:
        replays = message.headers.get("civitas-replay", "0")
        write_line(str(self._file), f"{message.id} {message.attempt} {replays}")
        if not self._file.with_name("fixed").exists():
            raise ValueError("it is broken")


class Slow(AgentProcess):
    """Takes its time with each message, and says how many there were when it is asked."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._heard = 0

    async def handle(self, message: Message) -> Message | None:
        if message.reply_to is not None:
            return self.reply(self._heard)
        self._heard += 1
        await asyncio.sleep(0.001)
        return None


class Caller(AgentProcess):
    """Calls its model once."""

    async def handle(self, message: Message) -> Message | None:
        assert self.llm is not None
        return self.reply((await self.llm.chat("m", [])).content)
