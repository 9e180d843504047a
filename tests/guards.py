"""What every test is held to: it cleans up after itself, and it talks to nobody outside.

A test that leaves behind a task, a thread, a socket or a child process fails, and so does one that
reaches for an address other than loopback, or lets asyncio log an error that nobody retrieved.
`tests/house/test_guards.py` proves each guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import ipaddress
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest

# Seconds that something already on its way out gets before it counts as left behind.
GRACE = 1.0

T = TypeVar("T")

# Threads that a library starts once for the whole process and never ends.
PROCESS_WIDE_THREADS = re.compile(
    r"pydevd|CrewAIEventsLoop|crewai_events|crewai-events|posthog|tqdm|AnyIO worker thread"
)
# Children of the same kind: the tracker that multiprocessing keeps.
PROCESS_WIDE_CHILDREN = re.compile(r"multiprocessing\.(resource_tracker|forkserver)")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the environment before any test module imports a framework."""
    scratch = config.stash.setdefault(_SCRATCH, tempfile.TemporaryDirectory(prefix="civitas-"))
    os.environ.update(
        XDG_DATA_HOME=scratch.name,
        XDG_CACHE_HOME=scratch.name,
        CREWAI_STORAGE_DIR="tests",
        CREWAI_DISABLE_TELEMETRY="true",
        CREWAI_DISABLE_VERSION_CHECK="true",
        CREWAI_TRACING_ENABLED="false",
        LANGSMITH_TRACING="false",
        OPENAI_AGENTS_DISABLE_TRACING="1",
    )
    # A developer's own key must not turn a test into a paid call.
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    network.install()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the scratch folder and let the network go."""
    network.active = False
    if scratch := config.stash.get(_SCRATCH, None):
        scratch.cleanup()


_SCRATCH = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


# --- tasks -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _watch_tasks(request: pytest.FixtureRequest) -> None:
    # Asked for here, before any other fixture of the test, so that it is torn down after them.
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_task_left_behind")


@pytest.fixture
async def _no_task_left_behind() -> AsyncIterator[None]:
    yield
    for _ in range(5):  # what was cancelled a moment ago may take its last steps
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        pytest.fail("tasks left behind: " + ", ".join(map(_describe_task, left)), pytrace=False)


def _describe_task(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"


# --- threads, sockets, children ----------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Remember what is there before the test."""
    _before.take()
    _logging.keep()
    network.refused.clear()
    _asyncio_errors.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """What a fixture of a whole module or session starts belongs to no single test."""
    if fixturedef.scope == "function":
        return (yield)
    before = Snapshot()
    before.take()
    try:
        return (yield)
    finally:
        _before.threads |= set(threading.enumerate()) - before.threads
        _before.children |= children() - before.children
        _before.sockets |= sockets() - before.sockets


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Compare, after every fixture of the test (and its event loop) is gone."""
    result = yield
    _logging.restore()
    faults = [*_left_threads(), *_left_children(), *_left_sockets()]
    faults += [f"the test reached for {address}" for address in network.refused]
    faults += [f"asyncio logged: {text}" for text in _asyncio_errors]
    if faults:
        pytest.fail("; ".join(faults), pytrace=False)
    return result


class Snapshot:
    """The threads, children and sockets of this process at one moment."""

    def take(self) -> None:
        """Look now."""
        self.threads = set(threading.enumerate())
        self.children = children()
        self.sockets = sockets()


_before = Snapshot()


def _until_gone(look: Callable[[], set[T]]) -> set[T]:
    deadline = time.monotonic() + GRACE
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def _left_threads() -> list[str]:
    def look() -> set[threading.Thread]:
        new = set(threading.enumerate()) - _before.threads
        return {thread for thread in new if not PROCESS_WIDE_THREADS.search(thread.name)}

    return [f"a thread was left behind: {thread.name}" for thread in _until_gone(look)]


def _left_children() -> list[str]:
    left = _until_gone(lambda: children() - _before.children)
    faults = [f"a child process was left behind: {pid} {command(pid)}" for pid in left]
    for pid in left:  # the next test shall not meet it
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return faults


def _left_sockets() -> list[str]:
    left = sockets() - _before.sockets
    if left:
        gc.collect()  # one in a cycle of garbage shows itself as a ResourceWarning here
        left = _until_gone(lambda: sockets() - _before.sockets)
    return [f"a socket was left open: {name}" for name in left]


def children() -> set[int]:
    """Processes whose parent this one is, zombies included (Linux; elsewhere none are seen)."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has just ended
            found.update(map(int, listing.read_text().split()))
    return {pid for pid in found if not PROCESS_WIDE_CHILDREN.search(command(pid))}


def command(pid: int) -> str:
    """The command line of a process, empty for a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def sockets() -> set[str]:
    """Sockets that this process holds open (Linux; elsewhere none are seen)."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # the one that reads this folder is gone already
                target = str(descriptor.readlink())
                if target.startswith("socket:"):
                    found.add(target)
    return found


# --- the network -------------------------------------------------------------------------------


class OutsideAddressRefused(ConnectionError):
    """A test reached for an address that is not loopback."""


class _Network:
    """Refuses what leaves this machine, by audit events: they see every socket of every thread."""

    def __init__(self) -> None:
        self.active = False
        self.installed = False
        self.refused: list[str] = []

    def install(self) -> None:
        self.active = True
        if not self.installed:  # an audit hook cannot be taken away again
            self.installed = True
            sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active or not event.startswith("socket."):
            return
        if event in ("socket.connect", "socket.sendto"):
            connection, address = arguments[0], arguments[1]
            if connection.family not in (socket.AF_INET, socket.AF_INET6):
                return
            host = address[0] if isinstance(address, tuple) else address
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        if not _is_here(host):
            self.refused.append(str(host))
            raise OutsideAddressRefused(f"tests stay on this machine, and this is not: {host}")


def _is_here(host: object) -> bool:
    if isinstance(host, bytes | bytearray):
        host = host.decode(errors="replace")
    if host is None or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


network = _Network()


# --- logging -----------------------------------------------------------------------------------


class _Logging:
    """What a command line sets up for its process ends with the test that called it."""

    def keep(self) -> None:
        self.kept = [
            (logger, logger.level, logger.propagate, list(logger.handlers))
            for logger in (logging.getLogger(), logging.getLogger("civitas"))
        ]

    def restore(self) -> None:
        for logger, level, propagate, handlers in self.kept:
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers[:] = handlers


_logging = _Logging()


# --- what asyncio says about errors nobody retrieved ---------------------------------------------


class _Collector(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _asyncio_errors.append(record.getMessage().splitlines()[0])


_asyncio_errors: list[str] = []
logging.getLogger("asyncio").addHandler(_Collector(logging.ERROR))
