"""Agents for the fire; the workers import them from here."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

from civitas import AgentProcess, Message
from tests.fire.ledger import Ledger

_incarnations = itertools.count()


class Sink(AgentProcess):
    """Writes down what it hears, and answers with its number."""

    def __init__(self, name: str, ledger: str, *, takes: float = 0.0, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.ledger = Ledger(ledger)
        self.takes = takes
        self.incarnation = f"{os.getpid()}.{next(_incarnations)}"

    async def handle(self, message: Message) -> Message | None:
        self.write_down(message.payload)
        if self.takes:
            await asyncio.sleep(self.takes)
        return self.reply(message.payload["n"])

    def write_down(self, payload: dict[str, Any]) -> None:
        self.ledger.handled(
            payload["token"], self.name, self.incarnation, payload["sender"], payload["n"]
        )


class Relay(Sink):
    """Sends on what it hears, or asks it on where the type says so, and writes down what was accepted."""

    async def handle(self, message: Message) -> Message | None:
        payload = message.payload
        self.write_down(payload)
        on = {
            "token": f"{payload['token']}>{self.incarnation}-{message.attempt}",
            "sender": f"{self.name}<{payload['sender']}",
            "n": payload["n"],
        }
        if message.type == "ask":
            reply = await self.ask(payload["to"], on, timeout=None)
            self.ledger.accepted(on["token"])
            return self.reply(reply.payload)
        await self.send(payload["to"], on, timeout=None)
        self.ledger.accepted(on["token"])
        return self.reply(payload["n"])


class Booker(Sink):
    """Books a few things for each message, each in a step, and counts the messages in its state."""

    async def handle(self, message: Message) -> Message | None:
        payload = message.payload
        self.write_down(payload)
        for key in ("flight", "hotel", "car"):
            await self.step(key, self.book, f"{payload['token']}/{key}")
        self.state["n"] = self.state.get("n", 0) + 1
        # It grows, as SQLite writes over what it has without asking for more of the disk.
        self.state["kept"] = self.state.get("kept", "") + "x" * 4000
        await self.checkpoint()
        return self.reply(payload["n"])

    def book(self, what: str) -> str:
        self.ledger.done(what)
        return what * 50


class Plain(AgentProcess):
    """Does what the type of a message says, and answers with its payload."""

    async def handle(self, message: Message) -> Message | None:
        payload = message.payload
        match message.type:
            case "crash":
                raise ValueError("asked to crash")
            case "chunks":
                for n in range(payload):
                    await self.emit(n)
            case "wait":
                await asyncio.sleep(payload)
            case "print":
                for n in range(payload["lines"]):
                    print(f"line {n} {payload['text']}")
                    if not n % 500:
                        await asyncio.sleep(0)
            case "spawn":
                name = await self.spawn(Plain, payload, supervisor="guests")
                await self.ask(name, 1)
                return self.reply(await self.terminate(name))
            case "timer":
                self.send_after(0.01, self.name, payload, "ticked")
            case "keep":
                self.state["n"] = self.state.get("n", 0) + 1
                await self.checkpoint()
            case "steps":
                for n in range(3):
                    await self.step(f"s{n}", str, payload)
        return self.reply(payload)


class Slow(AgentProcess):
    """Takes its time with every thousandth message, and knows how many came and whether in order."""

    count = 0
    in_order = True

    async def handle(self, message: Message) -> Message | None:
        if message.type == "count":
            return self.reply({"count": self.count, "in_order": self.in_order})
        self.in_order = self.in_order and message.payload["n"] == self.count
        self.count += 1
        if not self.count % 100:
            await asyncio.sleep(0.005)
        return None
