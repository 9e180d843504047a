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
_MOST_OF_RECIPIENTS = 300_000
"""Bytes for whom they are for. A NATS server refuses a note of more than 1 MiB, and with it all that is in it."""


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
        asked: Whom the messages are for whose answers they wait for, by id; empty where an older version passed it on,
            or where the names of all together are too long to be noted.
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
        recipients = list(asked.values())
        if len(json.dumps(recipients)) > _MOST_OF_RECIPIENTS:
            recipients = []
        more = {
            "restarts": self.restarts,
            "scaled": self.scaled,
            "former": self.former[-_MOST_ROOTS:],
            "asked": list(asked),
            "recipients": recipients,
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
