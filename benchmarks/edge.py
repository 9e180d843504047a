"""What it costs to ask through the HTTP edge, beside the least endpoint that asks the same agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.harness import Benchmark, Measurement, at_most, now
from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions

__all__ = ["ASK"]

_ASKS, _WARM_UP = 500, 50
_BODY = json.dumps({"payload": {"input": "hello"}}).encode()
_HEAD = b"POST /agents/echo/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


class Echo(AgentProcess):
    """Says what it hears."""

    async def handle(self, message: Message) -> Message:
        """Say it."""
        return self.reply({"output": message.payload["input"]})


@asynccontextmanager
async def _edge() -> AsyncIterator[int]:
    edge = HttpEdge(HttpOptions(port=0))
    async with Runtime(Supervisor("root", children=[Echo("echo")]), edges=[edge]):
        yield edge.port


@asynccontextmanager
async def _bare() -> AsyncIterator[int]:
    async with Runtime(Supervisor("root", children=[Echo("echo")])) as runtime:

        async def ask(request: Request) -> JSONResponse:
            body: dict[str, Any] = await request.json()
            reply = await runtime.ask(request.path_params["name"], body["payload"])
            return JSONResponse({"payload": reply.payload})

        app = Starlette(routes=[Route("/agents/{name}/ask", ask, methods=["POST"])])
        config = uvicorn.Config(
            app, port=0, http="h11", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def _asked(serve: Callable[[], AbstractAsyncContextManager[int]]) -> Measurement:
    """Microseconds of an ask by a client that does next to nothing, one after another."""

    async def measure() -> float:
        async with serve() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)

            async def ask() -> None:
                writer.write(_HEAD % len(_BODY) + _BODY)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(size))

            for _ in range(_WARM_UP):
                await ask()
            started = now()
            for _ in range(_ASKS):
                await ask()
            taken = now() - started
            writer.close()
            await writer.wait_closed()
        return taken / _ASKS * 1e6

    return lambda: asyncio.run(measure())


ASK = Benchmark(
    "ask over HTTP, beside a bare starlette endpoint that asks the same agent",
    "µs",
    {"limit": _asked(_bare), "civitas": _asked(_edge)},
    at_most(1.3),
)
