"""`Feed`: looks at a running system once a second while anybody watches, and never otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

from civitas.errors import CivitasError

__all__ = ["Feed", "Reach", "Reached"]

EVERY = 1.0
PATIENCE = 5.0
_BEHIND = 8
_ENDED_RUNS = 200


class Reached(Protocol):
    """A running system."""

    async def request(
        self, operation: str, *, within: float | None = None, **arguments: Any
    ) -> Any:
        """Let it do something; see `ControlClient.request`."""
        ...


Reach = Callable[[], AbstractAsyncContextManager[Reached]]
"""Finds the running system; raises a `CivitasError` while it does not run."""


class Feed:
    """Hands what changes in a system to everybody who watches, encoded once for all.

    Args:
        reach: Finds the system.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._watchers: set[asyncio.Queue[bytes | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._system: Reached | None = None
        self._agents: dict[str, dict[str, Any]] = {}
        self._order: list[str] = []
        self._last: dict[str, Any] = {}
        self._version: int | None = None

    async def watch(self) -> AsyncIterator[bytes]:
        """Server-sent events: first the whole system, then what changes.

        Whoever reads too slowly to keep up is let go, and gets the whole again when it comes back.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND)
        if self._last:
            queue.put_nowait(_event({**self._last, "whole": True, **self._everything()}))
        self._watchers.add(queue)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            while (data := await queue.get()) is not None:
                yield data
        finally:
            self._watchers.discard(queue)
            if not self._watchers:
                await self.close()

    async def close(self) -> None:
        """Look no more, and end what is watched."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    async def _look(self) -> None:
        while True:
            try:
                async with AsyncExitStack() as opened:
                    system = await opened.enter_async_context(self._reach())
                    self._version, self._last = None, {}
                    while True:
                        self._tell(await self._seen(system))
                        await asyncio.sleep(EVERY)
            except CivitasError as error:
                self._last = {}
                self._tell({"down": str(error)})
            await asyncio.sleep(EVERY)

    async def _seen(self, system: Reached) -> dict[str, Any]:
        """What has changed since the last time."""
        now: dict[str, Any] = await system.request("overview", within=PATIENCE, since=self._version)
        self._version = now.pop("version")
        if now["whole"]:
            self._agents.clear()
        for agent in now["agents"]:
            self._agents[agent["name"]] = agent
        for name in now["gone"]:
            self._agents.pop(name, None)
        events = await system.request("timeline", within=PATIENCE)
        runs = await system.request("runs", within=PATIENCE)
        kept = {"events": events, "runs": _newest(runs)}
        self._last = {key: now[key] for key in ("time", "system", "nodes")} | kept
        return now | kept

    def _everything(self) -> dict[str, Any]:
        return {"agents": list(self._agents.values()), "gone": []}

    def _tell(self, what: dict[str, Any]) -> None:
        data = _event(what)
        for queue in list(self._watchers):
            if queue.full():
                self._watchers.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(data)


def _newest(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All runs that have not ended, and the newest of those that have."""
    ended = [each for each in runs if each["ended"] is not None]
    dropped = {each["run"] for each in ended[:-_ENDED_RUNS]}
    return [each for each in runs if each["run"] not in dropped]


def _event(what: dict[str, Any]) -> bytes:
    text = json.dumps(what, ensure_ascii=False, separators=(",", ":"), default=str)
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
