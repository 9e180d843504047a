"""Where the time of an agent goes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.errors import ConfigurationError
from civitas.node.profiling import profiled
from civitas.process import Cell
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes

SECONDS = 0.2


def burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


class Busy(AgentProcess):
    """Holds the event loop half of the time."""

    async def handle(self, message: Message) -> None:
        while True:
            burn(0.02)
            await asyncio.sleep(0.02)


class Plain(AgentProcess):
    """Its handler runs in a thread."""

    may_go = threading.Event()

    def handle(self, message: Message) -> None:  # type: ignore[override]
        self.may_go.wait()


class Waits(AgentProcess):
    async def handle(self, message: Message) -> None:
        await self.wait()

    async def wait(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    agents = [Busy("busy", shutdown_timeout=0), Plain("plain"), Waits("waits", shutdown_timeout=0)]
    async with Runtime(Supervisor("top", agents), drain_timeout=0) as runtime:
        yield runtime


def functions(profile: dict[str, Any], where: str) -> set[str]:
    return {
        frame["function"]
        for each in profile["stacks"]
        if each["where"] == where
        for frame in each["stack"]
    }


async def profile_where(
    runtime: Runtime, name: str, shows: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """A profile that shows it: on a machine that is busy, a short one may see nothing."""
    for _ in range(20):
        profile: dict[str, Any] = (await runtime.inspect(name, profile=SECONDS))["profile"]
        if shows(profile):
            break
    return profile


@pytest.mark.promise(id="SEM-1768")
async def test_it_tells_what_holds_the_loop_from_what_waits(runtime: Runtime) -> None:
    await runtime.send("busy", 1)
    profile = await profile_where(runtime, "busy", lambda seen: seen["loop"] and seen["waits"])
    assert {"Busy.handle", "burn"} <= functions(profile, "loop")
    assert "Busy.handle" in functions(profile, "await")
    assert profile["seconds"] >= SECONDS
    told = [profile[each] for each in ("loop", "thread", "waits", "idle")]
    assert sum(told) == profile["samples"]
    assert min(told[0], told[2]) > 0


@pytest.mark.promise(id="SEM-1768")
async def test_it_sees_threads_and_who_else_held_the_loop(runtime: Runtime) -> None:
    Plain.may_go.clear()
    try:
        await runtime.send("plain", 1)
        await runtime.send("busy", 1)
        profile = await profile_where(
            runtime, "plain", lambda seen: seen["thread"] and seen["others"].get("busy")
        )
    finally:
        Plain.may_go.set()
    assert "Plain.handle" in functions(profile, "thread")
    assert profile["thread"] > 0
    assert profile["others"]["busy"] > 0


async def test_an_agent_that_has_nothing_in_hand_is_idle(runtime: Runtime) -> None:
    profile = (await runtime.inspect("waits", profile=0.03))["profile"]
    assert profile["idle"] == profile["samples"] > 0
    assert profile["stacks"] == []


@pytest.mark.promise(id="SEM-1768")
async def test_an_agent_of_another_process_is_profiled() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Waits}}) as nodes:
        await nodes.runtime.send("far", 1)
        profile = (await nodes.runtime.inspect("far", profile=0.05))["profile"]
        assert "Waits.wait" in functions(profile, "await")
        await nodes.lose("w")  # what it holds is not waited for


@pytest.mark.parametrize("seconds", [0, -1, 61, float("nan"), "5", True])
async def test_a_time_that_is_none_is_refused(runtime: Runtime, seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="more than 0 and up to 60 seconds"):
        await runtime.inspect("busy", profile=seconds)


async def test_a_supervisor_has_nothing_to_profile(runtime: Runtime) -> None:
    with pytest.raises(ConfigurationError, match="'top' is a supervisor"):
        await runtime.inspect("top", profile=1)


async def test_a_look_that_fails_is_an_error_for_whoever_looks() -> None:
    class Breaks:
        @property
        def incarnation(self) -> Any:
            raise LookupError("it has just gone")

    loop, cell = asyncio.get_running_loop(), cast("Cell", Breaks())
    with pytest.raises(LookupError, match="just gone"):
        await profiled(cell, loop, threading.get_ident(), 1)


async def test_whoever_leaves_ends_it(runtime: Runtime) -> None:
    looking = asyncio.create_task(runtime.inspect("busy", profile=60))
    while not any(each.name == "civitas-profile" for each in threading.enumerate()):
        await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert not any(each.name == "civitas-profile" for each in threading.enumerate())
