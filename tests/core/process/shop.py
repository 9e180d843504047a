"""A shop that can be killed while it charges, and what it asks then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Self

from civitas import AgentProcess, InMemoryStateStore, Message, Runtime, Supervisor


class Written(InMemoryStateStore):
    """Notes what is written of steps, commit by commit."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[list[str]] = []

    async def write(
        self, changes: Mapping[str, Any], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        steps = {key: value for key, value in changes.items() if key.startswith("civitas:step:")}
        if any(steps.values()):
            self.commits.append(sorted(key.rpartition("/")[2] for key in steps))
        return await super().write(changes, expect=expect)


class Plain:
    """A store of three methods."""

    def __init__(self) -> None:
        inner = InMemoryStateStore()
        self.get, self.set, self.delete = inner.get, inner.set, inner.delete


class Shop(AgentProcess):
    """Charges, and mails behind that; the first time it hangs where it is told to."""

    def __init__(self, name: str, log: list[str], hangs: asyncio.Event, **keywords: Any) -> None:
        self.probe = keywords.pop("probe", None)
        self.at_once = keywords.pop("at_once", False)
        super().__init__(name, **{"delivery": "durable", "shutdown_timeout": 0, **keywords})
        self.log, self.hangs = log, hangs

    async def charge(self, amount: int) -> Any:
        self.log.append(self.idempotency_key("charge"))
        if len(self.log) == 1:
            self.hangs.set()
            await asyncio.sleep(60)
        return {"charged": amount}

    async def mail(self) -> str:
        self.log.append("mail")
        if self.at_once and self.log.count("mail") == 1:
            await asyncio.sleep(60)
        return "mailed"

    async def handle(self, message: Message) -> Message:
        charge = self.step("charge", self.charge, message.payload["amount"], probe=self.probe)
        if self.at_once:
            found = [*await asyncio.gather(charge, self.step("mail", self.mail))]
        else:
            found = [await charge, await self.step("mail", self.mail)]
        await self.emit(found)
        return self.reply(found)


async def killed(
    runtime: Runtime, hangs: asyncio.Event, *, conversation: str | None = None
) -> Message:
    """What is answered by a shop that was killed while it charged."""
    ask = runtime.ask("a", {"amount": 3}, run="order-1", conversation=conversation)
    asking = asyncio.ensure_future(ask)
    await hangs.wait()
    await asyncio.sleep(0)
    await runtime.restart("a")
    return await asking


class Case:
    """A shop that was killed, and what it asks.

    Attributes:
        log: What it did.
        asked: Its answer.
    """

    def __init__(self, store: Any = None, **keywords: Any) -> None:
        self.store = store or Written()
        self.log: list[str] = []
        self._hangs = asyncio.Event()
        agent = Shop("a", self.log, self._hangs, **{"on_ambiguous": "interrupt", **keywords})
        tree = Supervisor("root", [agent], backoff="none")
        self.runtime = Runtime(tree, state_store=self.store)

    async def __aenter__(self) -> Self:
        await self.runtime.start()
        self.asked = await killed(self.runtime, self._hangs)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.runtime.stop()

    async def answer(self, value: Any, **more: Any) -> Message:
        payload = {"value": value, **more}
        return await self.runtime.ask("a", payload, "resume", conversation=self.asked.conversation)
