"""`SuccessionNotes`: what a root that leads notes for the one that may take over from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import zip_longest

__all__ = ["LeftMember", "SuccessionNotes"]

_MOST_ROOTS = 16
_MOST_ASKS = 10_000
"""So many are noted, the newest: what the next root reads has a bound. Whoever asked the others hears `NodeDown`."""


@dataclass(frozen=True, slots=True)
class LeftMember:
    """A process that was there.

    Attributes:
        name: Of the process.
        boot: Its run.
        address: Where it is reached.
        pid: Its pid.
        pid_space: Where that means something; empty if nobody knows.
        in_hand: The file in which it notes what its agents are handling.
    """

    name: str
    boot: str
    address: str
    pid: int
    pid_space: str
    in_hand: str


@dataclass(frozen=True, slots=True)
class SuccessionNotes:
    """What a root leaves.

    Attributes:
        members: The processes.
        restarts: By supervisor, its restarts within the window: when, in unix seconds, and of which child.
        scaled: By name, the replicas that it is to have where those are not the topology's.
        former: The runs of roots that have passed on what they did, itself included, and wait for answers.
        asked: Whom the messages are for whose answers they wait for, by id; empty where an older version passed it on.
    """

    members: tuple[LeftMember, ...] = ()
    restarts: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    scaled: dict[str, int] = field(default_factory=dict)
    former: tuple[str, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """As it is noted."""
        members = [asdict(each) for each in self.members]
        asked = dict(list(self.asked.items())[-_MOST_ASKS:])
        more = {
            "restarts": self.restarts,
            "scaled": self.scaled,
            "former": self.former[-_MOST_ROOTS:],
            "asked": list(asked),
            "recipients": list(asked.values()),
        }
        return json.dumps({"members": members, **more}).encode()

    @classmethod
    def of(cls, raw: bytes) -> SuccessionNotes:
        """What was noted; nothing if it cannot be read, as it is of another version."""
        try:
            found = json.loads(raw) if raw else {}
            members = tuple(LeftMember(**each) for each in found.get("members", ()))
            restarts = {
                name: [(float(when), str(child)) for when, child in each]
                for name, each in found.get("restarts", {}).items()
            }
            scaled = {str(name): int(count) for name, count in found.get("scaled", {}).items()}
            former = tuple(str(each) for each in found.get("former", ()))
            ids, recipients = found.get("asked", ()), found.get("recipients", ())
            asked = {str(id): str(to) for id, to in zip_longest(ids, recipients, fillvalue="")}
        except (ValueError, TypeError, AttributeError):
            return cls()
        return cls(members, restarts, scaled, former, asked)
