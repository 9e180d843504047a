"""Whether a process that says hello is taken in: a decision, and no effects."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from civitas.cluster.frames import CLUSTER_VERSION
from civitas.cluster.members.roster import Member
from civitas.errors import ConfigurationError

__all__ = ["Epoch", "Hello", "comes_back", "deployed_otherwise", "is_of_another_version", "refusal"]

_TOLD_BY_ALL = {"version": int, "civitas": str, "name": str, "address": str, "token": str}
"""What is in the `HELLO` of every version."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a process says of itself that asks to join.

    Attributes:
        version: Of its frames.
        civitas: The version of its civitas-core.
        name: Of the process.
        address: Where it is reached.
        pid: Its pid.
        pid_space: Where that pid means something; empty if nobody knows.
        token: What the root gave it when it started it; empty for one that somebody else started.
        joined: Whether it believes that it has joined already.
        guest: Whether it only wants to ask something.
        topology: Says which topology it has.
        stands_by: Whether it waits while there is another process of its name, and takes its place then.
        was_root: Whether it is a guest that has led the system, and wants the answers to what was asked there.
    """

    version: int
    civitas: str
    name: str
    address: str
    pid: int
    pid_space: str = ""
    token: str = ""
    joined: bool = False
    guest: bool = False
    topology: str = ""
    was_root: bool = False
    stands_by: bool = False

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Hello:
        """What came as plain data; one of another version may say more.

        Raises:
            ConfigurationError: It lacks something, or something is of another type.
        """
        known = {name: plain[name] for name in cls.__slots__ if name in plain}
        if not all(isinstance(known.get(name), kind) for name, kind in _TOLD_BY_ALL.items()):
            raise ConfigurationError("a HELLO does not say who sent it")
        hello = cls(**{"pid": 0, **known})
        if type(hello.pid) is not int or not isinstance(hello.pid_space, str):
            raise ConfigurationError("a HELLO does not say which process sent it")
        return hello

    def plain(self) -> dict[str, Any]:
        """As it travels."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Epoch:
    """The system at this moment.

    Attributes:
        ending: Whether it stops.
        civitas: The version of civitas-core at the root.
        names: Of its processes.
        guests: Why nobody is let in who only wants to ask something; empty if anybody is.
    """

    ending: bool
    civitas: str
    names: tuple[str, ...]
    guests: str = ""


def is_of_another_version(hello: Hello, member: Member | None) -> bool:
    """Whether a process that shows no seal may be told that it is of another version: it was started by the root.

    Such a one may know of no seals, and shows what it was started with.
    """
    return (
        hello.version != CLUSTER_VERSION
        and member is not None
        and member.options.start
        and secrets.compare_digest(hello.token, member.token)
    )


def deployed_otherwise(member: Member, topology: str, civitas: str) -> str:
    """What a process that has joined has that is of another version than the root's, in words; empty if nothing is.

    Args:
        member: The process.
        topology: Says which topology the root has.
        civitas: The version of civitas-core there.
    """
    others: list[str] = []
    if member.topology and topology and member.topology != topology:
        others.append("another version of the topology than the root")
    if member.civitas and member.civitas != civitas:
        others.append(f"civitas-core {member.civitas}, the root has {civitas}")
    return "; and with ".join(others)


def comes_back(hello: Hello, member: Member | None) -> bool:
    """Whether the process that says hello is the one that is there: it has lost the root and comes back."""
    if member is None or member.peer is None or hello.joined:
        return False
    known = not member.options.start or hello.token == member.token
    of_now = hello.version == CLUSTER_VERSION
    return known and of_now and (member.pid, member.pid_space) == (hello.pid, hello.pid_space)


def refusal(hello: Hello, member: Member | None, epoch: Epoch) -> str:
    """Why a process is not taken in; empty if it is, or stands by."""
    name = hello.name
    if hello.version != CLUSTER_VERSION:
        older = "there" if hello.version < CLUSTER_VERSION else "at the root"
        return (
            f"process {name!r} has civitas-core {hello.civitas}, the root {epoch.civitas}; "
            f"they speak different wire versions. Upgrade civitas-core {older}"
        )
    if epoch.ending:
        return "the runtime stops"
    if hello.guest:
        return "" if hello.was_root else epoch.guests
    if member is None:
        known = ", ".join(sorted(epoch.names)) or "none"
        return f"the root's topology has no process {name!r}; it has: {known}"
    if hello.joined:
        return f"process {name!r} could not be reached for a while, and the root went on without it"
    if member.peer is not None:
        if hello.stands_by and not member.options.start:
            return ""
        return f"there is already a process {name!r} (pid {member.pid}); end it first"
    if member.options.start and hello.token != member.token:
        return f"process {name!r} is started by the root; 'start: false' is for one that is not"
    return ""
