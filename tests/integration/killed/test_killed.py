"""Scripted runs of each framework, in which an agent, its process or the root is killed with -9."""

from __future__ import annotations

import random
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.deep import DEEP
from tests.integration.killed.lives import Life, at_boundaries, at_random, running

# Each environment has its own: CrewAI, and the newest of the others.
FRAMEWORKS = ["crewai"] if find_spec("crewai") else ["langgraph", "openai"]
MOMENTS = 50 if DEEP else 2

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 if DEEP else 150)]


def check(lives: Iterator[Life]) -> None:
    """Fail with all that is wrong, in full: it may be long before it comes again."""
    wrong = [life for life in lives if life.faults]
    if wrong:
        pytest.fail("\n".join(str(life) for life in wrong), pytrace=False)


@pytest.mark.promise(id="SEM-1646")
@pytest.mark.promise(id="SEM-1647")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_answers_as_if_nobody_was_killed(framework: str) -> None:
    """At each boundary, and at random moments."""
    victims, chance = ("root", "agent"), random.Random(MOMENTS)
    with running(framework, "root") as program:
        check(at_boundaries(program, victims, twice=DEEP))
        check(at_random(program, victims, MOMENTS, chance))


# The others show it quickly; of a graph it is calls of a tool node, in a deep run.
ASKING = [each for each in FRAMEWORKS if DEEP or each != "langgraph"]


@pytest.mark.promise(id="SEM-1677")
@pytest.mark.parametrize("framework", ASKING)
def test_no_tool_is_called_twice_where_a_human_says_what_happened(framework: str) -> None:
    """Whoever is killed, and with it the call; what was known before is not asked."""
    with running(framework, "root", asks=True) as program:
        lives = at_boundaries(program, ("root", "agent"))
        if not DEEP:
            moments = ("root", "search"), ("agent", "fetch answered"), ("root", "clerk-3")
            lives = (program.live(*each) for each in moments)
        check(lives)
        if DEEP:
            chance = random.Random(MOMENTS)
            check(at_random(program, ("root", "agent"), MOMENTS, chance))


IN_WORKERS = [(each, False) for each in FRAMEWORKS] + [(each, True) for each in ASKING]


@pytest.mark.promise(id="SEM-1623")
@pytest.mark.promise(id="SEM-1647")
@pytest.mark.promise(id="SEM-1677")
@pytest.mark.parametrize(("framework", "asks"), IN_WORKERS if DEEP else IN_WORKERS[-1:])
def test_a_run_in_a_worker_goes_on_when_that_or_its_root_is_killed(
    framework: str, asks: bool
) -> None:
    with running(framework, "worker", asks=asks) as program:
        for victim, moment in ("worker", "help"), ("root", "clerk-3"), ("agent", "file"):
            assert program.live(victim, moment).faults == []
