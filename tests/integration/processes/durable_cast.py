"""Durable agents and their senders, in OS processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from civitas import AgentProcess, CivitasError, Happened, Message


class Keeper(AgentProcess):
    """Writes into a file what it handles, and how often that was begun before; kills whom it is told to."""

    def __init__(self, name: str, *, heard: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.heard = heard

    def note(self, what: Any, attempt: int) -> None:
        with open(self.heard, "a") as file:  # noqa: PTH123 - one write, which a kill cannot tear
            file.write(f"{self.name} {what} {attempt}\n")

    async def handle(self, message: Message) -> Message:
        self.note(message.payload, message.attempt)

        def kill_all() -> None:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

        def killed() -> Happened:
            self.note("probed", message.attempt)
            return Happened("killed")

        match message.type:
            case "kill all" if message.payload == "poison":
                kill_all()
            case "kill all":
                return self.reply(await self.step("kill", kill_all, probe=killed))
            case "until then":
                while not os.path.exists(f"{os.path.dirname(self.heard)}/all are sent"):  # noqa: PTH110, PTH120, ASYNC240
                    await asyncio.sleep(0.005)
            case "in a step":
                await self.step("wait", asyncio.sleep, 60)
            case "later":
                self.send_after(0.05, "near", "timed")
            case "much later":
                self.send_after(60, "near", "timed")
            case "slow":
                await asyncio.sleep(0.2)
            case "emit":
                for number in range(150):
                    await self.emit(number)
            case "crash":
                raise ValueError("no")
        return self.reply(message.payload)


class Teller(AgentProcess):
    """Sends, asks or streams as it is told, and answers with what it got."""

    async def handle(self, message: Message) -> Message:
        given = message.payload
        to, payload, what = given["to"], given["payload"], given.get("what", "message")
        keywords = {"run": given.get("run"), "timeout": given.get("timeout", 10)}
        try:
            if message.type == "send":
                await self.send(to, payload, what, **keywords)
                return self.reply("sent")
            if message.type == "stream":
                read = [each.payload async for each in self.stream(to, payload, what, **keywords)]
                return self.reply(read)
            reply = await self.ask(to, payload, what, **keywords)
            return self.reply([reply.payload, reply.run])
        except CivitasError as error:
            return self.reply([type(error).__name__, getattr(error, "run", None)])
