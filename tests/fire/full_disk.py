"""The disk with the state is full for two seconds, again and again, while durable steps run."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from civitas import Runtime, SQLiteStateStore
from tests.fire.harness import SURE, Fire, agent, running, system

_SIZE = "64m"
_FULL = 2.0
"""Seconds, which is less than a store that is away is waited for."""
_BOUND = 30.0
_BOOKERS = {"here": None, "there": "w1", "beyond": "w2"}


async def run(fire: Fire) -> None:
    """Runs in a mount namespace of its own: see `AROUND`."""
    disk = fire.folder / "disk"
    with _small(disk):
        await _run(fire, disk)


@contextmanager
def _small(disk: Path) -> Iterator[None]:
    """Only in this namespace, so that nobody else sees it."""
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


async def _run(fire: Fire, disk: Path) -> None:
    config = system(
        *(
            agent(name, "Booker", process, ledger=str(fire.folder), **SURE)
            for name, process in _BOOKERS.items()
        ),
        state={"type": "sqlite", "path": str(disk / "state.db")},
    )
    async with running(fire, config) as runtime:
        filling = asyncio.create_task(_fill(fire, disk / "filler"))
        acknowledged = await asyncio.gather(*(_book(fire, runtime, name) for name in _BOOKERS))
        times = await filling
        await fire.settled()
    store = SQLiteStateStore(disk / "state.db")
    for name, least in zip(_BOOKERS, acknowledged, strict=True):
        kept = (await store.get(name) or {}).get("n", 0)
        if kept != least:
            fire.fault(f"{name} has counted {kept} messages, and handled {least}")
    await store.close()
    fire.row.notes = f"full {times} times for {_FULL:g} s; three agents, three steps a message"


async def _book(fire: Fire, runtime: Runtime, name: str) -> int:
    n = 0
    while fire.burns:
        await fire.send(runtime, name, fire.message("root", n))
        await fire.ask(runtime, name, fire.message("root", n + 1), bound=_BOUND)
        n += 2
    return n


async def _fill(fire: Fire, filler: Path) -> int:
    times = 0
    while fire.burns:
        await asyncio.sleep(fire.random.uniform(0.3, 2.0))
        times += 1
        end = time.monotonic() + _FULL
        while time.monotonic() < end:
            _fill_up(filler)  # again, as SQLite may give some back
            await asyncio.sleep(0.02)
        await asyncio.to_thread(filler.unlink)
    return times


def _fill_up(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        for size in (2**20, 4096):
            while file.write(bytes(size)) == size:
                pass
