"""Has the contestants do each work in turn, round after round, so that all meet the same machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers.contestant import Contestant, Failed
from benchmarks.peers.environments import install, started
from benchmarks.peers.registry import OURS, PEERS, Peer
from benchmarks.peers.works import WORKS, Work

__all__ = ["Figures", "Findings", "measure"]

_TRIES = 5
_FEW, _LONG = 3, 4.0
"""A contestant whose rounds are that much longer than they should be makes no more of them than these few."""


@dataclass
class Figures:
    """What a contestant's rounds of a work gave.

    Attributes:
        clock: By the clock, in the unit of the work.
        processor: Seconds of processor time for each of what was done.
    """

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def ratios(self, ours: Figures) -> list[float]:
        """Over the figure of Civitas of the same round."""
        return [theirs / our for theirs, our in zip(self.clock, ours.clock, strict=False)]


@dataclass
class Findings:
    """All that was found.

    Attributes:
        figures: By work and peer.
        versions: By peer, of what it is made of.
        failed: By peer, why it was not measured, or by peer and work.
    """

    figures: dict[str, dict[str, Figures]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every work was done, and each peer took part or it is known why it did not."""
        tried = {*self.versions, *(what.partition(" ")[0] for what in self.failed)}
        return self.figures.keys() == WORKS.keys() and tried == PEERS.keys()

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def of(data: dict[str, Any]) -> Findings:
        """From plain data."""
        figures = {
            work: {peer: Figures(**each) for peer, each in found.items()}
            for work, found in data["figures"].items()
        }
        return Findings(figures, data["versions"], data["failed"])


def measure(peers: Sequence[Peer], works: Sequence[str], rounds: int, seconds: float) -> Findings:
    """Measure.

    Args:
        peers: Those that take part, beside Civitas.
        works: What is done.
        rounds: How often each does it, after one that says how many make a round.
        seconds: About so long is a round.
    """
    found = Findings()
    folders = {}
    for peer in peers:
        print(f"{peer.title}: its environment ...", file=sys.stderr)
        try:
            folders[peer.name] = install(peer)
        except Failed as failed:
            found.failed[peer.name] = str(failed)
            print(f"  {failed}", file=sys.stderr)
    for work in works:
        there = [peer for peer in peers if work in peer.works and peer.name in folders]
        if there != [OURS]:
            found.figures[work] = _work(work, there, folders, rounds, seconds, found)
    return found


def _work(
    work: str,
    peers: Sequence[Peer],
    folders: dict[str, Path],
    rounds: int,
    seconds: float,
    found: Findings,
) -> dict[str, Figures]:
    print(f"{WORKS[work].title} ...", file=sys.stderr)
    figures: dict[str, Figures] = {}
    with ExitStack() as stack:
        ready: dict[str, tuple[Contestant, int]] = {}
        for peer in peers:
            try:
                contestant = stack.enter_context(started(peer, folders[peer.name]))
                found.versions[peer.name] = contestant.versions
                ready[peer.name] = contestant, _size(contestant, work, seconds)
            except Failed as failed:
                if peer is OURS:
                    raise  # there is nothing to compare with
                found.failed[f"{peer.name} {work}"] = str(failed)
                print(f"  {peer.title}: {failed}", file=sys.stderr)
        took: dict[str, float] = {}
        for number in range(rounds):
            # Not always in the same order, as each leaves the processor's caches to the next.
            names = list(ready)[:: -1 if number % 2 else 1]
            for name in names:
                contestant, size = ready[name]
                if number >= _FEW and took[name] > _LONG * seconds:
                    continue
                try:
                    spent = contestant.do(work, size)
                except Failed as failed:
                    if name == OURS.name:
                        raise
                    found.failed[f"{name} {work}"] = str(failed)
                    print(f"  {name}: {failed}", file=sys.stderr)
                    del ready[name]
                    figures.pop(name, None)
                    continue
                took[name] = spent.seconds
                each = figures.setdefault(name, Figures())
                each.clock.append(WORKS[work].figure(spent.seconds, size))
                each.processor.append(spent.processor / size)
    for name, each in figures.items():
        print(f"  {name}: {median(each.clock):,.4g} {WORKS[work].unit}", file=sys.stderr)
    return figures


def _size(contestant: Contestant, work: str, wanted: float) -> int:
    """How many make a round of so many seconds, found out in a few tries, the first of which is often a slow one."""
    what: Work = WORKS[work]
    size = what.first
    for number in range(_TRIES):
        seconds = contestant.do(work, size).seconds
        enough = seconds > wanted / 2
        if what.fixed or size == what.most or (enough and number):
            break
        if not enough:
            size = what.size(size, seconds, wanted)
    return size
