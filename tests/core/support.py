"""Agents that write down what happens to them, for the tests of the core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from civitas.errors import CivitasError, SupervisionError
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime


class Journal(list[str]):
    """A list of what happened that can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def write(self, entry: str) -> None:
        self.append(entry)
        self._changed.set()

    async def until(self, entry: str, times: int = 1) -> None:
        """Wait until `entry` stands in it `times` times."""
        async with asyncio.timeout(5):
            while self.count(entry) < times:
                self._changed.clear()
                await self._changed.wait()


class Actor(AgentProcess):
    """Does what its messages say, and writes its life into a journal.

    `echo` answers, `crash` raises, `none` answers nothing, `stop` ends it, `hold` waits until `release` is set.
    """

    def __init__(
        self, name: str, journal: Journal, *, fail_starts: int = 0, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        self.journal = journal
        self.release = asyncio.Event()
        self.handled: list[Any] = []
        self.fail_starts = fail_starts

    async def on_start(self) -> None:
        if self.journal.count(f"failed {self.name}") < self.fail_starts:
            self.journal.write(f"failed {self.name}")
            raise RuntimeError("cannot start")
        self.journal.write(f"start {self.name}")

    async def handle(self, message: Message) -> Message | None:
        self.handled.append(message.payload)
        match message.type:
            case "crash":
                raise ValueError(f"{self.name} crashes")
            case "none":
                return None
            case "stop":
                await self.stop()
            case "hold":
                self.journal.write(f"hold {self.name}")
                await self.release.wait()
            case "handled":
                return self.reply(self.handled[:-1])
        return self.reply(message.payload)

    async def on_stop(self) -> None:
        self.journal.write(f"stop {self.name}")


class Decider(Actor):
    """An actor whose `on_error` is given."""

    def __init__(self, name: str, journal: Journal, action: ErrorAction, **keywords: Any) -> None:
        super().__init__(name, journal, **keywords)
        self.action = action

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        self.journal.write(f"attempt {message.attempt}")
        return self.action


async def error_of(awaitable: Any) -> CivitasError:
    """The Civitas error that `awaitable` raises."""
    try:
        result = await awaitable
    except CivitasError as error:
        return error
    raise AssertionError(f"no error, but {result!r}")


async def eventually(condition: Callable[[], object]) -> None:
    """Let the loop turn until `condition` holds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def crash(runtime: Runtime, name: str) -> CivitasError:
    """Make `name` crash and return what the asker got."""
    return await error_of(runtime.ask(name, {}, "crash", timeout=5))


def status(runtime: Runtime, name: str) -> str:
    """The status of `name` in the tree."""

    def find(node: dict[str, Any]) -> str | None:
        if node["name"] == name:
            return str(node["status"])
        return next((found for child in node["children"] if (found := find(child))), None)

    found = find(runtime.tree())
    assert found is not None, f"{name} is not in the tree"
    return found


class StartsBadly(Actor):
    """Its `on_start` fails the times it is told to, counted from 1, with the error it is told."""

    def __init__(
        self,
        name: str,
        journal: Journal,
        *failing: int,
        error: type[BaseException] = RuntimeError,
        **keywords: Any,
    ) -> None:
        super().__init__(name, journal, **keywords)
        self.failing = failing
        self.error = error

    async def on_start(self) -> None:
        self.journal.write(f"try {self.name}")
        if self.journal.count(f"try {self.name}") in self.failing:
            raise self.error("not yet")
        await super().on_start()


class Hangs(Actor):
    """Its second and later starts never end."""

    async def on_start(self) -> None:
        self.journal.write(f"try {self.name}")
        if self.journal.count(f"try {self.name}") > 1:
            await asyncio.Event().wait()
        await super().on_start()


class SlowToStop(Actor):
    """Its `on_stop` waits until `let_go` is set."""

    def __init__(self, name: str, journal: Journal, let_go: asyncio.Event, **keywords: Any) -> None:
        super().__init__(name, journal, **keywords)
        self.let_go = let_go

    async def on_stop(self) -> None:
        await super().on_stop()
        await self.let_go.wait()


def told(runtime: Runtime, *types: str) -> list[tuple[str, str]]:
    """The type and name of each event of `types` from now on; of all that happens to children by default."""
    events: list[tuple[str, str]] = []
    for type in types or ("crashed", "restarted", "gave_up", "terminated"):
        runtime.on(type, lambda event: events.append((event.type, event.name)))
    return events


async def reason_of(call: Any) -> str:
    """The reason of the refusal of a child administration call."""
    error = await error_of(call)
    assert isinstance(error, SupervisionError)
    return error.reason


async def keys_beside_runs(store: Any) -> list[str]:
    """The keys in a state store, but those of the messages and answers of durable agents."""
    return [key for key in await store.keys("") if not key.startswith("civitas:runs:")]
