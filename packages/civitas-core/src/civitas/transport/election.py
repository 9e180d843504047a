"""Which of several roots of one system leads: what a carrier offers for that, and the rules by which it is decided.

The leader renews a record that all roots can read, and that nobody else may replace in between. It leads until a while
after the last renewal that it knows of, by its own clock; a root that waits takes over after it has seen no renewal for
longer than that, by its own clock. So no two lead at once, however long one of them is stopped or cut off.
"""

from __future__ import annotations

import hmac
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

__all__ = ["Electing", "Lead", "Leader", "OtherRoots", "Terms", "Vigil", "Yielding", "steady"]

_LONGEST_SILENCE = 3.5
"""Seconds without a renewal after which a root that waits takes over: with all that follows, less than 5."""


def steady() -> float:
    """Seconds of a clock that also goes on while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Leader:
    """A root that leads, as it stands in the record.

    Attributes:
        id: Which run of it.
        term: Counts the leaders; each has a higher one than all before.
        host: The name of its machine.
        pid: Its pid.
        pid_space: Where that pid means something; empty if nobody knows.
        since: When it began to lead, in unix seconds.
        watched: Whether it knows of a root that waits, and so stops soon when it cannot renew.
        renewed: When it said last that it leads, in unix seconds.
        released: Whether it has stopped leading, so that nobody has to wait.
    """

    id: str
    term: int
    host: str
    pid: int
    pid_space: str
    since: float
    renewed: float = 0.0
    watched: bool = False
    released: bool = False

    @classmethod
    def here(cls, id: str, pid_space: str) -> Self:
        """This process, in no term yet."""
        return cls(id, 0, platform.node() or "unknown", os.getpid(), pid_space, 0.0)

    @classmethod
    def of(cls, raw: bytes) -> Self | None:
        """What a record says; None if it is not one."""
        try:
            found = json.loads(raw)
            known = {each.name: found[each.name] for each in fields(cls)}
        except (ValueError, KeyError, TypeError):
            return None
        return cls(**known) if _fits(known) else None

    def raw(self) -> bytes:
        """As it stands in the record."""
        return json.dumps({each.name: getattr(self, each.name) for each in fields(self)}).encode()

    def after(self, last: Leader | None) -> Self:
        """The same root, at the beginning of its term."""
        now = time.time()
        # A server that lost its record must not let the count begin again.
        term = max(last.term + 1 if last is not None else 0, int(now * 1000))
        return replace(self, term=term, since=now, renewed=now, watched=False, released=False)

    def plain(self) -> dict[str, Any]:
        """What people are told about it."""
        return {"host": self.host, "pid": self.pid, "since": self.since}

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_dead(self, pid_space: str) -> bool:
        """Whether its process is known to have ended, as it was on the machine that `pid_space` is of."""
        if self.pid_space != pid_space or not pid_space or self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
            # One that was killed and that nobody has waited for is gone all the same.
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "Z"


def _fits(known: dict[str, Any]) -> bool:
    kinds = {
        "term": int,
        "pid": int,
        "since": (int, float),
        "renewed": (int, float),
        "watched": bool,
        "released": bool,
    }
    return all(isinstance(value, kinds.get(name, str)) for name, value in known.items())  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of an election, in seconds.

    Attributes:
        silence: Without a renewal, after which a root that waits takes over from a leader that knows of it.
        alone: The same for one that does not know of it.
    """

    silence: float
    alone: float

    @classmethod
    def of(cls, node_timeout: float) -> Terms:
        """Those of a system in which a node is lost after so many seconds."""
        return cls(min(_LONGEST_SILENCE, node_timeout / 2), node_timeout)

    @property
    def renew(self) -> float:
        """Between two renewals."""
        return self.silence / 7

    @property
    def look(self) -> float:
        """Between two looks of a root that waits."""
        return self.silence / 14

    def lasts(self, *, watched: bool) -> float:
        """After the begin of the last renewal that succeeded, until which the leader leads."""
        return (0.7 * self.silence) if watched else (0.8 * self.alone)


class Vigil:
    """Decides when a root that waits may take over.

    Only time in which the record could be read counts: while a server is away, its leader cannot renew either.

    Args:
        terms: The times.
        pid_space: Of this machine.
    """

    def __init__(self, terms: Terms, pid_space: str) -> None:
        self._terms = terms
        self._pid_space = pid_space
        self._seen = -1
        self._since = 0.0
        self._looked = 0.0

    def may_take(self, now: float, revision: int, leader: Leader | None) -> bool:
        """Whether to take over now.

        Args:
            now: Of a steady clock, after the record was read.
            revision: Of the record; 0 if there is none.
            leader: Who is in it; None for nobody.
        """
        gap, self._looked = now - self._looked, now
        if revision != self._seen or gap > self._terms.silence / 2:
            self._seen, self._since = revision, now
        if leader is None or leader.released or leader.is_dead(self._pid_space):
            return True
        silent = self._terms.silence if leader.watched else self._terms.alone
        return now - self._since >= silent


class Lead(Protocol):
    """What a root that leads has.

    Attributes:
        leader: It.
        last: Who led before; None if nobody did.
        left: What that one noted for whoever comes next; empty if it noted nothing.
        patience: Seconds that a process which has lost the leader waits for the next one and works on, perhaps without
            end.
        remind: Seconds after which it asks again whether it is still one of the system.
        place: Where whichever root leads is reached.
    """

    leader: Leader
    last: Leader | None
    left: bytes
    patience: float
    remind: float
    place: str

    @property
    def watched(self) -> bool:
        """Whether another root waits."""
        ...

    def holds(self) -> bool:
        """Whether it leads at this moment. May be called in any thread."""
        ...

    def note(self, what: bytes) -> None:
        """Note something for the next leader, in place of what was noted before; it is there soon."""
        ...

    async def noted(self) -> None:
        """Wait until what was noted is there for the next leader, or this root does not lead any more."""
        ...


@runtime_checkable
class Electing(Protocol):
    """What the transport of a root may offer where several roots of one system may be started."""

    async def elect(
        self, waiting: Callable[[Leader], None], lost: Callable[[str], None]
    ) -> Lead | None:
        """Wait until this root leads: until it is closed, or the lead is lost. Comes before `open`.

        Args:
            waiting: Called with each leader that is waited for.
            lost: Called once, with the reason, when this root does not lead any more, although it is open.

        Returns:
            None if it cannot be decided: then another root is an error on `open`.

        Raises:
            ConfigurationError: What decides cannot be reached, or does not let this process in.
        """
        ...


@dataclass(slots=True)
class OtherRoots:
    """What a root and those that wait for its place say to each other.

    Attributes:
        seal: Makes of what is said, and of the id of the leader that it is said to, something that only those can make
            who have the token of the system; called in any thread. None if there is no token: then nothing is believed.
        takes_over: Whether this root, while it waits, asks the leader to pass on what it does.
        yields: Called in the loop of this root, while it leads, if another one asks for that, perhaps often.
    """

    seal: Callable[[str, str], bytes] | None = None
    takes_over: bool = False
    yields: Callable[[], object] = field(default=lambda: None)

    def says(self, what: str, leader: str) -> bytes:
        """What is said to one leader and to no other: it is worth nothing to the next one."""
        return self.seal(what, leader) if self.seal is not None else b""

    def is_said(self, said: bytes, what: str, leader: str) -> bool:
        """Whether a root of the system said that to this leader."""
        return self.seal is not None and hmac.compare_digest(said, self.seal(what, leader))


@runtime_checkable
class Yielding(Protocol):
    """What the transport of a root may offer where a new version takes over from one that goes on otherwise."""

    other_roots: OtherRoots
