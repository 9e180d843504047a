"""A system behind an HTTP edge, and clients of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that need no certificates: to read those of all authorities takes each of them 20 ms."""

WORDS = ["roses ", "are ", "red"]


class Poet(AgentProcess):
    """Says words one by one; or fails, or waits, or asks, as it is told."""

    began: list[str] = []
    left: list[str] = []
    told = 0

    async def handle(self, message: Message) -> Message | None:
        given = message.payload.get("input") if isinstance(message.payload, dict) else None
        match given:
            case "fail":
                raise ValueError("no rhyme")
            case "wait":
                await self.emit({"text": "wait"}, "token")
                self.began.append(self.name)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.left.append(self.name)
                    raise
            case "may I":
                payload = {"interrupts": [{"id": "q1", "value": "Roses?"}]}
                return Message(
                    payload=payload,
                    type="interrupt",
                    conversation=message.conversation or "c1",
                    correlation_id=message.id,
                )
            case "flood":
                try:
                    while True:
                        await self.emit({"text": 10_000 * "x"}, "token")
                        Poet.told += 1
                finally:
                    self.left.append(self.name)
            case "header":
                usage = {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
                return self.reply({"output": ""}).replaced(
                    headers={"civitas-usage": json.dumps(usage)}
                )
        if message.type == "resume":
            return self.reply({"output": f"answered {message.payload['values']['q1']}"})
        for word in WORDS:
            await self.emit({"text": word}, "token")
        usage = {"input_tokens": 3, "output_tokens": 4}
        return self.reply(
            {"output": "roses are red", "usage": usage, "got": given, "in": message.conversation}
        )


class Together(AgentProcess):
    """Begins to answer, and goes on when all have begun."""

    all_began: asyncio.Event
    missing = 0

    @classmethod
    def begin(cls, streams: int) -> None:
        cls.all_began, cls.missing = asyncio.Event(), streams

    async def handle(self, message: Message) -> Message:
        await self.emit({"text": message.payload["input"]}, "token")
        Together.missing -= 1
        if not self.missing:
            self.all_began.set()
        await self.all_began.wait()
        await self.emit({"text": " and all"}, "token")
        return self.reply({"output": f"{message.payload['input']} and all"})


@asynccontextmanager
async def running(**keys: Any) -> AsyncIterator[tuple[Runtime, HttpEdge]]:
    poet = {"agent": {"name": "poet", "type": "Poet", "cancel_on_timeout": True}}
    config = {"edge": {"http": {"port": 0, **keys}}, "supervision": {"children": [poet]}}
    async with Runtime.from_config(config, agent_classes={"Poet": Poet}) as runtime:
        (edge,) = runtime._life.edges
        assert isinstance(edge, HttpEdge)
        yield runtime, edge


@asynccontextmanager
async def browsing(**keys: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running(**keys) as (_, edge),
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        yield client


@asynccontextmanager
async def chatting() -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        running() as (_, edge),
        openai.DefaultAsyncHttpxClient(verify=PLAIN) as http,
        openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="none", http_client=http) as client,
    ):
        yield client


@asynccontextmanager
async def patiently(seconds: float) -> AsyncIterator[HttpEdge]:
    edge = HttpEdge(HttpOptions(port=0, patience=seconds))
    async with Runtime(Supervisor("root", children=[Poet("poet")]), edges=[edge]):
        yield edge


def hello(text: str = "hello") -> Any:
    return [{"role": "user", "content": text}]


def events_in(text: str) -> list[tuple[str, str, Any]]:
    """Id, name and data of each."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    return found
