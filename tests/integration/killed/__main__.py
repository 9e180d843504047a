"""Kills runs of the frameworks that are installed here: `python -m tests.integration.killed --moments 200`.

At each boundary, and at random moments: the agent, its process and the root in turn. Prints a line for each framework;
exits 1 if something was not as it is when nobody is killed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from tests.integration.killed.lives import Life, at_boundaries, at_random, running

_MODULES = {"langgraph": "langgraph", "openai": "agents", "crewai": "crewai"}
_VICTIMS = {"root": ("agent", "root"), "worker": ("worker", "agent", "root")}


def lives(framework: str, moments: int, chance: random.Random) -> Iterator[Life]:
    """All of one framework."""
    for place, victims in _VICTIMS.items():
        with running(framework, place) as program:
            number = moments // len(_VICTIMS)
            yield from itertools.chain(
                at_boundaries(program, victims), at_random(program, victims, number, chance)
            )


def main() -> int:
    """Run them, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.integration.killed", description=__doc__)
    parser.add_argument("frameworks", nargs="*", metavar="NAME", help="default: all that are here")
    parser.add_argument("--moments", type=int, default=200, help="random ones, of each framework")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    here = [name for name, module in _MODULES.items() if find_spec(module)]
    faults = 0
    for framework in arguments.frameworks or here:
        found: list[Life] = []
        for life in lives(framework, arguments.moments, random.Random(arguments.seed)):
            found.append(life)
            if life.faults:
                faults += 1
                print(f"{framework}: {life}", flush=True)
        again = sum(len(life.again) for life in found)
        bad = sum(bool(life.faults) for life in found)
        print(
            f"{framework}: {len(found)} runs killed (seed {arguments.seed}), {again} calls in flight made again, "
            f"{bad} runs with faults",
            flush=True,
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
