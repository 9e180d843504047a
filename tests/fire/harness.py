"""Runs one scenario and prints its row as JSON: `python -m tests.fire.harness NAME --seconds 45 --seed 1`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import random
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from civitas import CivitasError, Event, Runtime
from tests.fire.ledger import Ledger

__all__ = [
    "CAST",
    "SCENARIOS",
    "SETTLE",
    "SURE",
    "Fire",
    "Row",
    "agent",
    "memory",
    "processes",
    "running",
    "system",
    "until",
]

SCENARIOS = ("kills", "stop_cont", "full_disk", "clock", "frames", "floods", "soak", "broker")
SURE = {"delivery": "at_least_once", "max_deliveries": 10_000}
CAST = "tests.fire.cast"
log = logging.getLogger(__name__)

SETTLE = 60.0
"""Seconds for what was accepted to be handled when the fire is over."""


@dataclass
class Row:
    """What came of a scenario; see `Count` for what the first of them mean.

    Attributes:
        unanswered: Asks that got an error or nothing where an answer is promised.
        late: Asks that were told later than the scenario's bound.
        faults: What makes it fail, each as a sentence.
        notes: How much fire there was.
    """

    name: str
    seed: int
    seconds: float
    accepted: int = 0
    handled: int = 0
    lost: int = 0
    doubled: int = 0
    in_flight: int = 0
    disorder: int = 0
    unanswered: int = 0
    late: int = 0
    faults: list[str] = field(default_factory=list)
    notes: str = ""


class Fire:
    """One run of a scenario.

    Args:
        name: Of the scenario.
        seconds: How long there is fire.
        seed: Of everything random.
        folder: For the ledger and the state.

    Attributes:
        asking: The tokens of the asks that wait for an answer.
    """

    def __init__(self, name: str, seconds: float, seed: int, folder: Path) -> None:
        self.row = Row(name, seed, seconds)
        self.seconds = seconds
        self.random = random.Random(seed)
        self.folder = folder
        self.ledger = Ledger(folder)
        self.samples: Any = None
        self.asking: set[str] = set()
        self._end = time.monotonic() + seconds
        self._number = 0

    @property
    def burns(self) -> bool:
        """Whether the time is not over."""
        return time.monotonic() < self._end

    def fault(self, said: str) -> None:
        """The scenario fails, for this reason."""
        self.row.faults.append(said)

    def begin(self) -> None:
        """Count the time from now on."""
        self._end = time.monotonic() + self.seconds

    def message(self, sender: str, n: int, **other: Any) -> dict[str, Any]:
        """A payload that the ledger knows again."""
        self._number += 1
        return {"token": f"m{self._number}", "sender": sender, "n": n, **other}

    async def send(self, runtime: Runtime, to: str, payload: dict[str, Any], **how: Any) -> None:
        """Send, and write down that it was accepted."""
        await runtime.send(to, payload, timeout=None, **how)
        self.ledger.accepted(payload["token"])

    async def ask(
        self, runtime: Runtime, to: str, payload: dict[str, Any], *, bound: float, **how: Any
    ) -> None:
        """Ask where an answer is promised, whatever happens; count what comes of it."""
        began = time.monotonic()
        self.asking.add(payload["token"])
        try:
            reply = await runtime.ask(to, payload, timeout=SETTLE, **how)
        except CivitasError as error:
            self.row.unanswered += 1
            self.fault(f"an ask of {to} got no answer: {type(error).__name__}: {error}"[:300])
        else:
            self.ledger.accepted(payload["token"])
            if reply.payload != payload["n"]:
                self.fault(f"the answer of {to} to {payload['n']} was {reply.payload!r}")
        finally:
            self.asking.discard(payload["token"])
        self.told(began, bound)

    def told(self, began: float, bound: float) -> None:
        """An ask that began then has been told; was it in time?"""
        if time.monotonic() - began > bound:
            self.row.late += 1

    async def settled(self) -> None:
        """Wait for what was accepted; what is not handled then is lost."""
        deadline = time.monotonic() + SETTLE
        while not self.ledger.is_settled() and time.monotonic() < deadline:
            await asyncio.sleep(0.2)

    def add_up(self) -> None:
        """Take what the ledger says into the row."""
        row, count = self.row, self.ledger.count()
        row.accepted, row.handled = row.accepted + count.accepted, row.handled + count.handled
        row.in_flight += count.in_flight
        for what in ("lost", "doubled", "disorder"):
            found: list[str] = getattr(count, what)
            setattr(row, what, getattr(row, what) + len(found))
            if found:
                self.fault(f"{what}: {', '.join(found[:5])}")
        if row.late:
            self.fault(f"{row.late} were told late")


# --- systems ---------------------------------------------------------------------------------------


def agent(name: str, type: str, process: str | None = None, **keywords: Any) -> dict[str, Any]:
    """An agent of the cast, as it stands in a topology."""
    entry = {"name": name, "type": f"{CAST}.{type}", **keywords}
    return {"agent": entry if process is None else {**entry, "process": process}}


def system(*children: dict[str, Any], **top: Any) -> dict[str, Any]:
    """A topology whose root never gives up."""
    root = {"name": "root", "backoff": "none", "max_restarts": 1_000_000, "children": [*children]}
    runtime = {"drain_timeout": 20, **top.pop("runtime", {})}
    return {"supervision": root, "runtime": runtime, **top}


@asynccontextmanager
async def running(
    fire: Fire, config: dict[str, Any], expected: Collection[str] = ()
) -> AsyncIterator[Runtime]:
    """The system; dead letters of no expected reason, and what is raised in its root, are faults."""
    with FailOnRaise(fire):
        async with Runtime.from_config(config) as runtime:

            def dead(event: Event) -> None:
                # Who asked and died waits for no answer: what it asked may be withdrawn.
                if event.reason not in {"no_reader", "late_reply", *expected}:
                    fire.fault(f"a dead letter: {event.message}"[:300])

            unsubscribe = runtime.on("dead_letter", dead)
            fire.begin()
            yield runtime
            unsubscribe()


class FailOnRaise(logging.Handler):
    """Counts as faults what the root logs with a traceback, and what its loop is left with."""

    def __init__(self, fire: Fire) -> None:
        super().__init__(logging.WARNING)
        self._fire = fire

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else None
        if raised is not None and not isinstance(raised, ValueError | CivitasError):
            self._fire.fault(f"raised: {record.getMessage()} ({raised!r})"[:400])


def processes(runtime: Runtime) -> dict[str, int]:
    """The processes of a runtime that are up, by an agent in each, without the root."""
    found: dict[str, int] = {}

    def walk(node: dict[str, Any]) -> None:
        for child in node["children"]:
            if child["node"] != "root" and child["pid"]:
                found[child["node"]] = child["pid"]
            walk(child)

    walk(runtime.tree())
    return found


def memory(pid: int) -> int:
    """MiB that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


async def until(condition: Callable[[], Any], seconds: float) -> bool:
    """Wait for something that can be looked at; return whether it came."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


# --- one scenario ----------------------------------------------------------------------------------


def main() -> None:
    """Run the scenario that the command line names."""
    parser = argparse.ArgumentParser(prog="tests.fire.harness", description=__doc__)
    parser.add_argument("name", choices=SCENARIOS)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=Path, metavar="FILE", help="what it saw meanwhile")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="[root] %(levelname)s %(name)s: %(message)s")
    run: Callable[[Fire], Coroutine[Any, Any, None]]
    run = importlib.import_module(f"tests.fire.{given.name}").run
    with tempfile.TemporaryDirectory(prefix="civitas-fire-") as folder:
        fire = Fire(given.name, given.seconds, given.seed, Path(folder))
        try:
            asyncio.run(run(fire))
        except Exception as error:
            log.exception("the scenario ended early")
            fire.fault(f"it ended early: {type(error).__name__}: {error}")
        fire.add_up()
    if given.samples:
        given.samples.write_text(json.dumps(fire.samples))
    print(json.dumps(asdict(fire.row)))


if __name__ == "__main__":
    main()
