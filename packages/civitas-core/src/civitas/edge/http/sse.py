"""Server-sent events, as one part after the other becomes known."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from civitas.edge.http.leaving import CallerLeft, unless_left
from civitas.edge.texts import as_json

__all__ = ["EventStream", "event"]

_LINE_END = re.compile("[\r\n]+")
_ALIVE = 15.0
"""Seconds without an event after which a comment shows that the answer is still under way."""


def event(data: Any, *, name: str = "", id: str = "") -> str:
    """One event; its data is JSON, so that no text in it ends the event."""
    lines = [f"id: {id}"] if id else []
    lines += [f"event: {_LINE_END.sub(' ', name)}"] if name else []
    return "\n".join([*lines, f"data: {as_json(data)}"]) + "\n\n"


class EventStream(Response):
    """Events that are sent as they come. When the caller leaves, whatever makes them is closed."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[str, None], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(
            headers={"cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})}
        )
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with aclosing(self._events):
            try:
                await unless_left(Request(scope, receive), self._send(send))
            except CallerLeft:
                return

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        waiting: asyncio.Future[str] | None = None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait({waiting}, timeout=_ALIVE)
                if not done:
                    part = ": at work\n\n"
                else:
                    try:
                        part = waiting.result()
                    except StopAsyncIteration:
                        break
                    waiting = None
                await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        finally:
            if waiting is not None and not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
