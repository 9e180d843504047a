"""`Feed`: looks at a running system once a second while anybody watches, and never otherwise."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

from civitas.errors import CivitasError
from civitas.message.json_form import json_form

__all__ = ["Feed", "Reach", "Reached"]

EVERY = 1.0
PATIENCE = 5.0
_BEHIND = 8
_RUNS = 200
"""So many runs of each kind are shown: that wait for somebody, that go on, and that have ended."""
_EVENTS = 2000
_LONGEST = 1000
"""Characters of a text."""
_SHOWN = (
    "name", "kind", "parent", "status", "paused", "restarts", "due", "next", "handling", "waiting", "oldest", "rate",
    "last_error", "tokens", "budget",
)  # fmt: skip
_LATE = 5.0
"""Seconds that the news of an event may take from another OS process."""


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
        self._forget()

    def _forget(self) -> None:
        self._version: int | None = None
        self._facts: dict[str, Any] | None = None
        self._agents: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, dict[str, Any]] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)

    async def watch(self) -> AsyncIterator[bytes]:
        """Server-sent events: first the whole system, then what changes.

        Whoever reads too slowly to keep up is let go, and gets the whole again when it comes back.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND)
        if self._facts is not None:
            queue.put_nowait(_encoded({**self._facts, **self._everything()}))
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
        self._forget()
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    async def _look(self) -> None:
        while True:
            try:
                async with AsyncExitStack() as opened:
                    system = await opened.enter_async_context(self._reach())
                    self._forget()
                    while True:
                        self._tell(await self._seen(system))
                        await asyncio.sleep(EVERY)
            except CivitasError as error:
                self._forget()
                self._tell({"down": str(error)})
            await asyncio.sleep(EVERY)

    async def _seen(self, system: Reached) -> dict[str, Any]:
        """What has changed since the last time."""
        late = self._events[-1]["time"] - _LATE if self._events else None
        now = await system.request("overview", within=PATIENCE, since=self._version)
        happened = await system.request("timeline", within=PATIENCE, since=late)
        there = await system.request("runs", within=PATIENCE, newest=_RUNS)
        # Nothing is awaited from here on: whoever comes now gets all of this, or none of it.
        whole = now["whole"]
        self._version = now["version"]
        self._facts = {key: now[key] for key in ("time", "system", "nodes")}
        agents = {each["name"]: _told(each) for each in now["agents"]}
        if whole:
            self._agents.clear()
        self._agents |= agents
        for name in now["gone"]:
            self._agents.pop(name, None)
        known = {_key(each) for each in self._events if late is not None and each["time"] > late}
        events = [_short(each) for each in happened if _key(each) not in known]
        self._events += events
        runs = {each["run"]: _short(json_form(each)) for each in there}
        before, self._runs = self._runs, runs
        if whole:
            return {**self._facts, **self._everything()}
        return {
            **self._facts,
            "whole": False,
            "agents": list(agents.values()),
            "gone": now["gone"],
            "events": events,
            "runs": [each for name, each in runs.items() if before.get(name) != each],
            "over": [name for name in before if name not in runs],
        }

    def _everything(self) -> dict[str, Any]:
        return {
            "whole": True,
            "agents": list(self._agents.values()),
            "gone": [],
            "events": list(self._events),
            "runs": list(self._runs.values()),
            "over": [],
        }

    def _tell(self, what: dict[str, Any]) -> None:
        data = _encoded(what)
        for queue in list(self._watchers):
            if queue.full():
                self._watchers.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(data)


def _key(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["time"], event["type"], event["name"]


def _told(agent: dict[str, Any]) -> dict[str, Any]:
    """What the tree shows about an agent, as far as it differs from an idle one."""
    told = {key: value for key in _SHOWN if (value := agent[key])}
    if "handling" in told:
        told["handling"] = _short(told["handling"])
    return told


def _short(value: Any) -> Any:
    """`value` without what would take the browser long to show: whoever looks into an agent is told the rest."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if isinstance(value, dict):
        return {_short(key): _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value[:_LONGEST]]
    return value


def _encoded(what: dict[str, Any]) -> bytes:
    text = json.dumps(what, ensure_ascii=False, separators=(",", ":"), default=str)
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
