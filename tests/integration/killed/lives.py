"""Runs in which somebody is killed with -9, at a boundary or at a random moment, and what becomes of them."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.killed.nursery import Nursery, Root
from tests.integration.killed.scripts import PARTS, Part
from tests.integration.killed.world import World

__all__ = ["Life", "Program", "at_boundaries", "at_random", "running", "surroundings"]

_PATIENCE = 120.0
"""Seconds after which an answer does not come any more."""

Moment = str | float
"""A call, with " answered" behind it for the time when it is about to be; or seconds after the run began."""


@dataclass
class Life:
    """What became of a run.

    Attributes:
        victim: Who was killed.
        moments: When.
        again: The calls that were made again.
        faults: What is not as it is to be.
    """

    victim: str
    moments: Sequence[Moment]
    again: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Program:
    """A system in OS processes of its own, with an agent `clerk` in its root or in a worker.

    Args:
        part: What the agent plays.
        place: "root" or "worker".
        state: The file of its state.
        world: What it reaches.
        nursery: Where its root is started.
        asks: Whether a human is asked about calls of whose results nothing is known. It knows what the world did.

    Attributes:
        usual: The answers of a run in which nobody was killed.
        took: Seconds that such a run takes.
    """

    def __init__(
        self,
        part: Part,
        place: str,
        state: Path,
        world: World,
        nursery: Nursery,
        *,
        asks: bool = False,
    ) -> None:
        self.part = part
        self.asks = asks
        self.world = world
        self._place = place
        self.usual: list[Any] = []
        self.took = 0.0
        module = f"{__package__}.{part.module}"
        clerk = {"name": "clerk", "wrap": f"{module}:clerk", "durable": True, "shutdown_timeout": 0}
        if asks:
            clerk["on_ambiguous"] = "interrupt"
        helper = {"name": "helper", "type": f"{__package__}.program.Helper", "delivery": "durable"}
        if place == "worker":
            clerk["process"] = "w"
        children = [{"agent": clerk}, {"agent": helper}]
        self._config = {
            "state": {"type": "sqlite", "path": str(state)},
            "supervision": {"name": "root", "backoff": "none", "children": children},
        }
        self._nursery = nursery
        self._number = itertools.count()
        self._sending = threading.Lock()

    def start(self) -> None:
        """Start the root, again if it was killed, and wait until it is ready."""
        self._killed = False
        self._root: Root = self._nursery.start()
        with self._sending:
            self._root.connection.send(self._config)
        self._hear("ready")

    def stop(self) -> list[str]:
        """Stop it; the runs that are not over."""
        self._tell("stop")
        _, left = self._hear("stopped")
        self._root.ended()
        runs: list[str] = left
        return runs

    def end(self) -> None:
        """Kill what is left of it."""
        self._root.kill()
        self._root.ended()

    def live(self, victim: str = "nobody", *moments: Moment) -> Life:
        """Let a run begin, kill `victim` at these moments, and ask for the run until it is over."""
        life = Life(victim, moments)
        first = len(self.world.calls)
        pid = self._pid() if victim == "worker" else 0
        kills = _Kills(lambda: self._kill(victim, pid), self.world)
        began = time.monotonic()
        with kills.at(moments):
            answers = self._answers(life)
        if victim == "nobody":
            self.usual, self.took = answers, time.monotonic() - began
        elif answers != self.usual:
            life.faults.append(f"it answered {answers}, and not {self.usual}")
        if not self._root.is_alive:  # it was killed when it had answered
            self._start_again()
        calls = self.world.calls[first:]
        self._judge(life, calls, [each - first for each in kills.found])
        return life

    def _kill(self, victim: str, pid: int) -> None:
        if victim == "root":
            self._killed = True
            self._root.kill()
        elif victim == "worker":
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        elif victim == "agent":
            self._tell("restart", "clerk")

    def _answers(self, life: Life) -> list[Any]:
        conversation = f"run-{next(self._number)}"
        answers = []
        asked = ("message", self.part.payload), ("resume", {"value": self.part.answer})
        for type, payload in asked:
            run = f"{conversation}-{type}"
            what, *told = self._ask(run, type, payload, conversation)
            while what == "answer" and (said := self._said_of(told[1])):
                answered = f"{conversation}-known-{next(self._number)}"
                what, *told = self._ask(answered, "resume", {"values": said}, conversation)
            if what == "failed":
                life.faults.append(f"{run} failed: {told[0]}")
                break
            kind, answer = told
            questions = [each["value"] for each in answer.get("interrupts", ())]
            answers.append((kind, questions or self.part.shown(answer)))
        return answers

    def _said_of(self, answer: Any) -> dict[str, Any]:
        """What a human who looks at the world says of the calls that an answer asks about."""
        asked = {
            each["id"]: each["value"]
            for each in answer.get("interrupts", ())
            if "idempotency_key" in each["value"]
        }
        with_key = {each.key: each.name for each in self.world.calls if each.key}
        return {
            id: {"happened": True, "result": f"{with_key[id]} done"}
            if id in with_key
            else {"happened": False}
            for id in asked
        }

    def _ask(self, run: str, type: str, payload: Any, conversation: str) -> tuple[Any, ...]:
        """Ask, and after a kill of the root ask once more for the run of that name."""
        while True:
            try:
                self._tell("ask", run, type, payload, conversation)
                return self._hear("answer", "failed")
            except (EOFError, OSError):
                self._start_again()

    def _start_again(self) -> None:
        while True:
            self._root.ended()
            try:
                self.start()
            except (EOFError, OSError):
                if not self._killed:
                    raise
            else:
                return

    def _judge(self, life: Life, calls: Sequence[Any], kills: Sequence[int]) -> None:
        """Each call was made once, but for those that a kill found in flight, or just answered."""
        names = [each.name for each in calls]
        counts = Counter(names)
        life.again = list((counts - Counter(set(names))).elements())
        if set(names) != set(self.part.boundaries):
            life.faults.append(f"it made the calls {names}")
        # Before a kill takes effect another call may come. A worker that hears of the end of its root, and an agent
        # that is restarted by a message, may come further on a busy machine.
        direct = life.victim == "worker" or (life.victim == "root" and self._place == "root")
        late = 2 if direct else len(names) + 1
        moments = itertools.product(*(range(kill, kill + late) for kill in kills))
        if all(Counter(life.again) - self._in_flight(names, each) for each in moments):
            life.faults.append(f"of {names} more came again than was in flight at {kills}")
        if self.asks and (twice := self.part.tools & set(life.again)):
            life.faults.append(f"{twice} were called twice")
        for name in counts:
            keys = {each.key for each in calls if each.name == name}
            if len(keys) > 1:
                life.faults.append(f"{name} was called with the keys {keys}")

    def _in_flight(self, names: Sequence[str], kills: Sequence[int]) -> Counter[str]:
        """What was in flight then, and was the next to be called."""
        found = Counter[str]()
        width = max(1, len(self.part.at_once))
        for kill in kills:
            last = set(names[:kill][-1:])
            flying = self.part.at_once if last & self.part.at_once else last
            found.update(flying & set(names[kill : kill + width]))
        return found

    def _pid(self) -> int:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._tell("pid", "clerk")
            _, pid = self._hear("pid")
            if pid is not None:
                return int(pid)
            time.sleep(0.01)
        raise AssertionError(f"its process was not there for {_PATIENCE:g} s")

    def _tell(self, *words: Any) -> None:
        with self._sending:
            self._root.connection.send(words)

    def _hear(self, *what: str) -> tuple[Any, ...]:
        deadline = time.monotonic() + _PATIENCE
        while self._root.connection.poll(max(0.0, deadline - time.monotonic())):
            told: tuple[Any, ...] = self._root.connection.recv()
            if told[0] in what:
                return told
        raise AssertionError(f"nothing was heard of {' or '.join(what)} for {_PATIENCE:g} s")


class _Kills:
    """Kills somebody at moments of a run.

    Args:
        kill: Does it.
        world: Knows when calls come.

    Attributes:
        found: For each kill how many calls had come.
    """

    def __init__(self, kill: Callable[[], None], world: World) -> None:
        self.found: list[int] = []
        self._kill = kill
        self._world = world
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def at(self, moments: Sequence[Moment]) -> Iterator[None]:
        """Kill at these moments that come inside of the block."""
        calls = {each for each in moments if isinstance(each, str)}
        timers = [threading.Timer(each, self._now) for each in moments if isinstance(each, float)]

        def when(name: str) -> None:
            if name in calls:
                calls.remove(name)
                self._now()

        self._world.when = when
        for each in timers:
            each.start()
        try:
            yield
        finally:
            with self._lock:
                self._over = True
            for each in timers:
                each.cancel()
                each.join()

    def _now(self) -> None:
        with self._lock:
            if not self._over:
                self.found.append(len(self._world.calls))
                with suppress(OSError):  # the root is being started again
                    self._kill()


@contextmanager
def surroundings(part: Part) -> Iterator[tuple[Path, World, Nursery]]:
    """A folder, what the agent of `part` reaches, and where roots are started."""
    with tempfile.TemporaryDirectory() as name, World(part.script, Path(name)) as world:
        environment = world.environment | {"XDG_DATA_HOME": name}
        nursery = Nursery(f"{__package__}.{part.module}", Path(name), environment)
        try:
            yield Path(name), world, nursery
        finally:
            nursery.close()


@contextmanager
def running(framework: str, place: str, *, asks: bool = False) -> Iterator[Program]:
    """A program whose agent is made of `framework` and runs in `place`; one run of it is over, with nobody killed."""
    part = PARTS[framework]
    with surroundings(part) as (folder, world, nursery):
        made = Program(part, place, folder / "civitas.db", world, nursery, asks=asks)
        made.start()
        try:
            for _ in range(2):  # the first imports what is imported when it is used
                undisturbed = made.live()
                assert not undisturbed.faults, undisturbed.faults
            yield made
            left = made.stop()
            assert not left, f"these runs were never over: {left}"
        finally:
            made.end()


def at_boundaries(made: Program, victims: Sequence[str], *, twice: bool = True) -> Iterator[Life]:
    """A life for each boundary, when the call has come, and `twice` when it is answered, with the victims in turn."""
    turn = itertools.cycle(victims)
    for answered in ("", " answered")[: 1 + twice]:
        for name in made.part.boundaries:
            yield made.live(next(turn), f"{name}{answered}")


def at_random(
    made: Program, victims: Sequence[str], number: int, chance: random.Random
) -> Iterator[Life]:
    """So many lives with a kill at a random moment, and a fifth of them with a second one soon after."""
    for victim, _ in zip(itertools.cycle(victims), range(number), strict=False):
        moment = chance.uniform(0, made.took)
        second = [moment + chance.uniform(0, made.took)] if chance.random() < 0.2 else []
        yield made.live(victim, moment, *second)
