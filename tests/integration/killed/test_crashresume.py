"""The public suite crashresume: it crashes an agent right after each of its effects, and judges the resume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from crashresume import ConformanceReport, Context, InjectedCrash, conform

from tests.integration.killed.lives import Life, Program, surroundings
from tests.integration.killed.scripts import PARTS
from tests.integration.killed.test_killed import FRAMEWORKS

# What it looks at, `test_killed` does in each run, at fewer moments.
pytestmark = [pytest.mark.slow, pytest.mark.deep, pytest.mark.timeout(300)]


class Subject(Program):
    """A system that is killed with -9 when the suite crashes it: a tool has done its work, and nobody knows that yet.

    Args:
        suite: Is told what the tools do, and says when to crash.
        done: What the service of the tools did, and under which keys; it does nothing twice.
        program: As of a `Program`.
    """

    def __init__(self, suite: Context, done: set[tuple[str, str]], *program: Any) -> None:
        super().__init__(*program)
        self._suite = suite
        self._done = done
        self._crash: InjectedCrash | None = None
        self._answered: list[Any] = []
        self.world.when = self._came
        self.start()

    def step(self, item: str) -> None:
        """Let the agent handle a message, and the answer of a human; the suite's own word for that."""
        life = Life("suite", [])
        self._answered.append(self._answers(life))
        assert not life.faults

    def state(self) -> list[Any]:
        """What each run answered last: a worker that comes further before it hears of the end has no question then."""
        return [answers[-1] for answers in self._answered]

    def _came(self, moment: str) -> None:
        call = self.world.calls[-1]
        # In a graph a key stands for the node, so two tools of one node add their names.
        if moment != call.name or not call.key or (call.name, call.key) in self._done:
            return
        self._done.add((call.name, call.key))
        try:
            self._suite.effect(call.name, key=f"{len(self._answered)} {call.name}")
        except InjectedCrash as crash:
            self._crash = crash
            self._root.kill()

    def _start_again(self) -> None:
        assert self._crash is not None  # nobody else kills it
        raise self._crash


@contextmanager
def subjects(framework: str, place: str) -> Iterator[Any]:
    """Makes subjects, one at a time; each scenario of the suite has a state file of its own."""
    with surroundings(part := PARTS[framework]) as (folder, world, nursery):
        done: dict[str, set[tuple[str, str]]] = {}
        running: list[Subject] = []

        def make(suite: Context) -> Subject:
            while running:
                running.pop().end()
            keys = done.setdefault(suite.run_id, set())
            program = (part, place, folder / f"{suite.run_id}.db", world, nursery)
            running.append(Subject(suite, keys, *program))
            return running[-1]

        try:
            yield make
        finally:
            for each in running:
                each.end()


@pytest.mark.promise(id="SEM-1647")
@pytest.mark.parametrize("place", ["root", "worker"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_crashresume_finds_nothing(framework: str, place: str) -> None:
    with subjects(framework, place) as make:
        report: ConformanceReport = conform(make, ["an article"])
    assert report.passed, str(report)
    assert report.crash_points == 4  # search, fetch, help, file
