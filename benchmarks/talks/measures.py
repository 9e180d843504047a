"""What is measured of a contestant, in a Python process of its own that runs one piece of it whenever it is told to."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.talks import TALKS, Talk, Talking, text

__all__ = ["CROWD", "KINDS", "LENGTHS", "Contestant", "Length", "Spent", "serve"]

LENGTHS = (25, 100, 400, 1600)
"""Turns of a conversation after which it is looked at."""
_LAST = 20
"""So many turns before such a length say what one costs there."""
CROWD, _SHORT, _ALONE = 64, 10, 8
_STEPS = 200
KINDS = {"run": "steps", "spread": "spread"}
"""Which kind of `TALKS` is measured, where that is not `turns`."""
_WARM = 20
"""Turns before anything is measured."""


class Spent(NamedTuple):
    """What something took.

    Attributes:
        seconds: By the clock.
        processor: Seconds of processor time, of all threads.
        written: Bytes that the process had the system write to the disk; None where the system does not say.
        file: By how many bytes the database and its log grew; None if that was not looked at.
    """

    seconds: float
    processor: float
    written: int | None
    file: int | None


class Length(NamedTuple):
    """What a conversation costs at a length.

    Attributes:
        turn: One turn there, the mean of the last few.
        all: All turns until then; None if they were not made one by one.
    """

    turn: Spent
    all: Spent | None


class Meter:
    """Measures what is spent from now on, by this process and by others that take part."""

    def __init__(self, folder: Path, others: Sequence[int] = ()) -> None:
        self._folder = folder
        self._others = others
        self._before = self._now()

    def _now(self) -> Spent:
        size = sum(each.stat().st_size for each in self._folder.rglob("*") if each.is_file())
        processor = time.process_time() + sum(map(_processor, self._others))
        each = [_written(), *map(_written, self._others)]
        written = None if None in each else sum(one or 0 for one in each)
        return Spent(time.perf_counter(), processor, written, size)

    def read(self, parts: int = 1) -> Spent:
        """What was spent until now, or the mean of so many parts of it."""
        pairs = zip(self._now(), self._before, strict=True)
        seconds, processor, written, file = (
            None if now is None or before is None else (now - before) / parts
            for now, before in pairs
        )
        return Spent(seconds or 0.0, processor or 0.0, _whole(written), _whole(file))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _processor(pid: int) -> float:
    # Behind the name, which may have blanks in it, the 12th and the 13th: in user mode, and in the kernel.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(pid: int | None = None) -> int | None:
    try:
        lines = Path(f"/proc/{pid or 'self'}/io").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


# In the process of the contestant. Each measure yields what one piece of it took, again and again.


async def _length(talking: Talking, folder: Path, whole: bool) -> AsyncIterator[Length]:
    """One conversation, at one of `LENGTHS` after the other."""
    if talking.fill is not None and not whole:
        for turns in LENGTHS:
            last = min(_LAST, turns - 1)
            await talking.fill(f"of {turns}", turns - last)
            meter = Meter(folder)
            for number in range(turns - last, turns):
                await talking.turn(f"of {turns}", text(number))
            yield Length(meter.read(last), None)
        return
    all_ = Meter(folder)
    done = 0
    for turns in LENGTHS:
        last = min(_LAST, turns - done)
        for number in range(done, turns):
            if number == turns - last:
                meter = Meter(folder)
            await talking.turn("long", text(number))
        yield Length(meter.read(last), all_.read())
        done = turns


async def _crowd(talking: Talking, folder: Path, whole: bool) -> AsyncIterator[Spent]:
    """A turn of `CROWD` conversations at once, each with `_SHORT` turns."""

    async def converse(name: str) -> None:
        for number in range(_SHORT):
            await talking.turn(name, text(number))

    for time_ in itertools.count():
        meter = Meter(folder, talking.processes())
        await asyncio.gather(*(converse(f"{time_} {each}") for each in range(CROWD)))
        yield meter.read(CROWD * _SHORT)


async def _alone(talking: Talking, folder: Path, whole: bool) -> AsyncIterator[Spent]:
    """A turn of one short conversation after the other."""
    for time_ in itertools.count():
        meter = Meter(folder)
        for each in range(_ALONE):
            for number in range(_SHORT):
                await talking.turn(f"{time_} {each}", text(number))
        yield meter.read(_ALONE * _SHORT)


async def _run(talking: Talking, folder: Path, whole: bool) -> AsyncIterator[Spent]:
    """One run of `_STEPS` steps, after which the state holds 1 MB."""
    while True:
        meter = Meter(folder)
        await talking.turn("run", str(_STEPS))
        yield meter.read()


_MEASURES: dict[str, Any] = {
    "length": _length,
    "alone": _alone,
    "crowd": _crowd,
    "run": _run,
    "spread": _crowd,
}


def serve(framework: str, who: str, what: str, *, whole: bool) -> None:
    """Measure a piece for each line of the standard input, and print what it took as JSON."""
    logging.disable(logging.CRITICAL)
    logging.getLogger("civitas").setLevel(logging.CRITICAL)  # for other processes, too
    talk = TALKS[framework][who][KINDS.get(what, "turns")]
    asyncio.run(_serve(talk, what, whole))


async def _serve(talk: Talk, what: str, whole: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with talk(folder, CROWD if what in ("crowd", "spread") else 1) as talking:
            for number in range(_WARM):
                await talking.turn(f"before {number}", "1" if what == "run" else text(number))
            gc.collect()  # of what was imported, which would fall into one contestant's first piece
            pieces = _MEASURES[what](talking, folder, whole)
            for _ in sys.stdin:
                piece = await anext(pieces, None)
                print(json.dumps(piece), flush=True)
            await pieces.aclose()


class Contestant:
    """A contestant in its process.

    Args:
        framework: Which framework.
        who: What keeps the conversations.
        what: What is measured.
        whole: Whether each turn of a long conversation is made, also where that can be left out.
    """

    def __init__(self, framework: str, who: str, what: str, *, whole: bool = False) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.conversations",
            "--child",
            framework,
            who,
            what,
        ]
        self._process = subprocess.Popen(
            [*command, *(["--whole"] if whole else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self) -> Any:
        """What the next piece took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("a contestant ended early; what it said stands above")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if kind is not None:
            self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
