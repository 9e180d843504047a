"""What the tests of OS processes share: topologies, and looks at the processes of a runtime."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from civitas import Event, Runtime

CAST = "tests.integration.processes.cast"


def agent(name: str, process: str | None = None, type: str = "Actor", **keywords: Any) -> dict:
    """An agent of the cast, as it stands in a topology."""
    entry: dict[str, Any] = {"name": name, "type": f"{CAST}.{type}", **keywords}
    if process is not None:
        entry["process"] = process
    return {"agent": entry}


def topology(
    *children: dict[str, Any],
    processes: Mapping[str, Any] = MappingProxyType({}),
    state: Mapping[str, Any] = MappingProxyType({}),
    runtime: Mapping[str, Any] = MappingProxyType({}),
    **supervisor: Any,
) -> dict[str, Any]:
    """A topology with `children` under its root supervisor; `supervisor` are further keys of that."""
    root = {"name": "root", "backoff": "none", **supervisor, "children": list(children)}
    config: dict[str, Any] = {"supervision": root, "runtime": {"drain_timeout": 5, **runtime}}
    if processes:
        config["processes"] = processes
    if state:
        config["state"] = state
    return config


class Events(list[Event]):
    """What a runtime reports."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        for each in ("crashed", "restarted", "gave_up", "dead_letter", "node_up", "node_down"):
            runtime.on(each, self.append)

    def of(self, type: str) -> list[Event]:
        return [event for event in self if event.type == type]

    def reasons(self) -> list[str]:
        """Of the dead letters."""
        return [event.reason for event in self.of("dead_letter")]


def agents_of(runtime: Runtime) -> Iterator[dict[str, Any]]:
    def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for child in node["children"]:
            yield child
            yield from walk(child)

    return walk(runtime.tree())


def look(runtime: Runtime, name: str) -> dict[str, Any]:
    """The place of an agent in the tree."""
    return next(each for each in agents_of(runtime) if each["name"] == name)


def pid_of(runtime: Runtime, name: str) -> int:
    """Of the process that hosts an agent and is up."""
    pid = look(runtime, name)["pid"]
    assert pid is not None
    return pid


def kill(runtime: Runtime, name: str, how: int = signal.SIGKILL) -> int:
    """Send a signal to the process of an agent."""
    pid = pid_of(runtime, name)
    os.kill(pid, how)
    return pid


async def killed(runtime: Runtime, name: str) -> int:
    """Kill the process of an agent, and wait until its root knows."""
    pid = kill(runtime, name)
    await until(lambda: look(runtime, name)["pid"] != pid)
    return pid


async def running(runtime: Runtime, seconds: float = 30.0) -> None:
    """Wait until every agent runs."""
    await until(
        lambda: all(each["status"] == "running" and each["pid"] for each in agents_of(runtime)),
        seconds,
    )


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until something that can be looked at is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def asked_until_answered(runtime: Runtime, name: str, seconds: float = 30.0) -> float:
    """Ask until there is an answer; return the seconds that took."""
    from civitas import CivitasError

    began = time.monotonic()
    while True:
        try:
            await runtime.ask(name, None, "pid", timeout=seconds)
        except CivitasError:
            if time.monotonic() - began > seconds:
                raise
        else:
            return time.monotonic() - began


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """The same where no event loop runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
