"""The wall clock jumps, for every process of the system at once, while asks with short timeouts are under way.

Not the machine's clock, which is not ours: `time.time` of each process reads how far it is off from a file. Clocks
inside C libraries go on as they are.
"""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

from civitas import AskTimeout, CivitasError, Runtime
from tests.fire.harness import Fire, agent, running, system

_JUMPS = 1.0, 30.0, 3600.0, 86400.0
_SHORT, _PATIENT = 0.5, 10.0
_BOUND = 1.0
"""Seconds beside a timeout within which it is told."""

_PATCH = """
import mmap, os, struct, time
with open(os.environ["CIVITAS_FIRE_CLOCK"], "rb") as _file:
    _off = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)
_true = time.time
time.time = lambda: _true() + struct.unpack("<d", _off[:8])[0]
"""


async def run(fire: Fire) -> None:
    """Ask here and there, where the answer is in time and where it is not, and jump."""
    offset = fire.folder / "offset"
    offset.write_bytes(bytes(8))
    (fire.folder / "sitecustomize.py").write_text(_PATCH)
    env = {"PYTHONPATH": str(fire.folder), "CIVITAS_FIRE_CLOCK": str(offset)}
    config = system(
        agent("here", "Plain"),
        agent("slow-here", "Plain"),
        agent("there", "Plain", "w1"),
        agent("slow-there", "Plain", "w1"),
        processes={"w1": {"env": env}},
    )
    true = time.time
    time.time = lambda: true() + struct.unpack("<d", offset.read_bytes())[0]
    try:
        async with running(fire, config, {"expired", "no_reader"}) as runtime:
            clock = _Clock(offset)
            jumping = asyncio.create_task(_jump(fire, clock))
            asked = await asyncio.gather(
                *(_answered(fire, runtime, name, clock) for name in ("here", "there")),
                *(_timed_out(fire, runtime, name) for name in ("slow-here", "slow-there")),
            )
            await jumping
    finally:
        time.time = true
    fire.row.accepted = fire.row.handled = sum(asked[:2])
    fire.row.notes = (
        f"{clock.jumps} jumps of up to a day, {clock.expired} asks expired that were on their way in that moment; "
        f"{sum(asked[2:])} asks that were to time out"
    )


class _Clock:
    """What the clocks of all processes are off by, how often that changed, and what that cost."""

    def __init__(self, offset: Path) -> None:
        self.jumps = self.expired = 0
        self._offset = offset

    def jump(self, by: float) -> None:
        with self._offset.open("r+b") as file:  # in place: the others have it mapped
            file.write(struct.pack("<d", by))
        self.jumps += 1


async def _jump(fire: Fire, clock: _Clock) -> None:
    while fire.burns:
        await asyncio.sleep(fire.random.uniform(0.2, 1.0))
        clock.jump(fire.random.choice(_JUMPS) * fire.random.choice([1, -1]))


async def _answered(fire: Fire, runtime: Runtime, name: str, clock: _Clock) -> int:
    """Ask and ask. A deadline is a moment by the clock: one that jumps while a message is on its way may be past it."""
    asked = 0
    while fire.burns:
        began, jumps = time.monotonic(), clock.jumps
        try:
            await runtime.ask(name, 0.05, "wait", timeout=_PATIENT)
        except CivitasError as error:
            if isinstance(error, AskTimeout) and clock.jumps > jumps:
                clock.expired += 1
                continue
            fire.row.unanswered += 1
            fire.fault(f"{name} did not answer: {type(error).__name__}: {error}"[:300])
        asked += 1
        fire.told(began, _BOUND)
    return asked


async def _timed_out(fire: Fire, runtime: Runtime, name: str) -> int:
    asked = 0
    while fire.burns:
        began = time.monotonic()
        try:
            await runtime.ask(name, 0.8, "wait", timeout=_SHORT)
        except AskTimeout:
            if time.monotonic() - began < _SHORT - 0.05:
                fire.fault(f"{name} timed out after {time.monotonic() - began:.2f} s")
        else:
            fire.fault(f"an ask of {name} outlived its timeout")
        fire.told(began, _SHORT + _BOUND)
        asked += 1
        await asyncio.sleep(1.0)
    return asked
