"""What the page of a system of 10,000 agents costs, beside that of one agent: the root and `civitas web` together.

The root, the page and the browser are processes of their own, as they are for users.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Benchmark, Measurement, at_most

__all__ = ["FIRST", "UNWATCHED", "UPDATE"]

_MANY = 10_000
_BUSY = 100
"""So many agents are sent a message each second, so that there is something to tell."""
_UPDATES = 8
_SECONDS = 5.0
_SETTLES = 1.0
"""Seconds for what a start leaves to be done."""
_NAME = "page"


async def _root(folder: Path, count: int) -> None:
    """A system with that many agents, a hundred of them at work."""
    from benchmarks.agents import echoes
    from civitas import Runtime
    from civitas.control import ControlServer
    from civitas.topology.state_folder import open_state_folder

    open_state_folder(folder)
    async with Runtime(echoes(count), name=_NAME) as runtime, ControlServer(runtime, folder):
        print("up", flush=True)
        while True:
            for number in range(min(count, _BUSY)):
                await runtime.send(f"e{number}", number)
            await asyncio.sleep(1)


async def _web(folder: Path) -> None:
    from civitas.control import ControlClient
    from civitas.web import Web

    async with Web(lambda: ControlClient(_NAME, folder), port=0) as web:
        print(web.url, flush=True)
        await web.wait()


@contextmanager
def _served(count: int) -> Iterator[tuple[str, Callable[[], float]]]:
    """The address of the page, and what tells the processor time of the root and the page so far."""
    with tempfile.TemporaryDirectory() as above:
        folder = str(Path(above) / _NAME)
        with _child("root", folder, str(count)) as (root, _), _child("web", folder) as (web, url):
            yield url, lambda: _processor_time(root) + _processor_time(web)


@contextmanager
def _child(*arguments: str) -> Iterator[tuple[int, str]]:
    """A process of this module, and the line that it prints when it is ready."""
    command = [sys.executable, "-m", "benchmarks.page", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().strip()
        finally:
            process.kill()


def _processor_time(pid: int) -> float:
    # Linux's clock of another process: /proc counts in steps of 10 ms, which are 0.2 % of five seconds.
    return time.clock_gettime((~pid << 3) | 2)


def _first_picture(count: int) -> Measurement:
    """Seconds from the address to the rows of the tree, for whoever comes first."""

    def measure() -> float:
        from playwright.sync_api import sync_playwright

        with _served(count) as (url, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page()
            page.goto("about:blank")
            began = time.perf_counter()
            page.goto(url)
            page.locator(".row").first.wait_for()
            taken = time.perf_counter() - began
            browser.close()
        return taken

    return measure


def _update(count: int) -> Measurement:
    """Milliseconds of processor time of an update; `_watch` reads them."""

    def measure() -> float:
        with _served(count) as (url, used):
            return asyncio.run(_watch(url, used)) * 1000

    return measure


async def _watch(url: str, used: Callable[[], float]) -> float:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 26)
    writer.write(f"GET /api/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await reader.readuntil(b"\n\n\r\n")  # the whole system comes first
    began = used()
    for _ in range(_UPDATES):
        await reader.readuntil(b"\n\n\r\n")
    taken = used() - began
    writer.close()
    await writer.wait_closed()
    return taken / _UPDATES


def _unwatched(count: int) -> Measurement:
    """Percent of a processor that `civitas web` and the root use while nobody looks."""

    def measure() -> float:
        with _served(count) as (_, used):
            time.sleep(_SETTLES)
            began = used()
            time.sleep(_SECONDS)
            return (used() - began) / _SECONDS * 100

    return measure


FIRST = Benchmark(
    "first picture of the page, 10,000 agents, beside 1",
    "s",
    {"limit": _first_picture(1), "civitas": _first_picture(_MANY)},
    at_most(1, "s"),
)
UPDATE = Benchmark(
    "processor time of an update of the page, 10,000 agents, beside 1",
    "ms",
    {"limit": _update(1), "civitas": _update(_MANY)},
    at_most(100, "ms"),
)
UNWATCHED = Benchmark(
    "processor while nobody looks at the page, 10,000 agents, beside 1",
    "%",
    {"limit": _unwatched(1), "civitas": _unwatched(_MANY)},
    at_most(1, "%"),
)

if __name__ == "__main__":
    what, where, *more = sys.argv[1:]
    asyncio.run(_web(Path(where)) if what == "web" else _root(Path(where), *map(int, more)))
