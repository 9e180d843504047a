"""What a carrier is: it reads its entry of a topology, and makes the transport of each node from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from civitas.transport.contract import Transport

__all__ = ["Access", "Carrier", "CarrierEntry", "Elects", "Place", "SpansMachines", "shortfall"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a process needs to join a system.

    Attributes:
        token: Of the system: who has it may join. It never travels.
        keys: What the carrier needs beside it, as plain data; None if it needs nothing. The root hands it to the
            processes that it starts.
    """

    token: str = field(repr=False)
    keys: Any = field(default=None, repr=False)


class Place(Protocol):
    """The folder of a system on this machine, for what its processes have in common."""

    @property
    def path(self) -> Path:
        """Where it is; it need not exist."""
        ...

    def open(self) -> Path:
        """Make it, or check that it is private to this user.

        Raises:
            ConfigurationError: It is not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEntry:
    """What is under `transport` in a topology, and what of the rest concerns a carrier.

    Attributes:
        options: The keys beside `type`, with their values. A value may be of any type.
        system: Name of the system.
        node_timeout: Seconds without a sign of a node after which it is lost.
        folder: What relative paths are relative to; None for a topology that is not a file.
        place: Where the processes of this user on this machine may meet; None for a topology that is not a file.
        awaited: Whether the root waits for processes that are started elsewhere (`start: false`).
    """

    options: Mapping[str, Any]
    system: str = "civitas"
    node_timeout: float = 10.0
    folder: Path | None = None
    place: Place | None = None
    awaited: bool = False


@runtime_checkable
class Carrier(Protocol):
    """A way to carry frames between the OS processes of a system; what `civitas_transports` offers by name.

    Whatever is wrong in its entry it says in `problems`, which is asked first; the other methods are only called for
    an entry that has none.

    Attributes:
        keys: The keys that may stand beside `type`, and what each is for.
    """

    keys: Mapping[str, str]

    def problems(self, entry: CarrierEntry) -> Iterable[tuple[str, str]]:
        """What is wrong with the values of an entry: the key, and what to write there. Opens nothing.

        Keys that are not in `keys` have been found already.
        """
        ...

    def access(self, entry: CarrierEntry) -> Access | None:
        """What the processes of the system know each other by. Called once by each that the root does not start.

        Returns:
            None if the carrier has no secret of its own: the root makes a token then, and keeps it in the place of
            the system where other processes of this machine are to find it.

        Raises:
            ConfigurationError: It cannot be read or made.
        """
        ...

    def for_root(self, entry: CarrierEntry, access: Access) -> Transport:
        """The transport of the root, not open.

        Raises:
            ConfigurationError: Something that it needs is not installed, or not there.
        """
        ...

    def meeting_place(self, entry: CarrierEntry) -> str:
        """The address at which a process that is started elsewhere finds whichever root there is.

        Raises:
            ConfigurationError: There is none.
        """
        ...

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> Transport:
        """The transport of a process beside the root, not open.

        Args:
            entry: What is in the topology.
            access: That of the root.
            root: The address of the root.
            folder: For files that the root removes, as a process may be killed and cannot; None if nobody would.

        Raises:
            ConfigurationError: There is no way from here to the root.
        """
        ...


@runtime_checkable
class Elects(Protocol):
    """What a carrier may offer beside: several roots of one system, of which one leads and the others wait.

    The transport of a root is `Electing` then.
    """

    def elects(self, entry: CarrierEntry) -> bool:
        """Whether several roots of this system may be started; what decides between them may still be missing."""
        ...


@runtime_checkable
class SpansMachines(Protocol):
    """What a carrier may offer beside: its roots are found from other machines, by anybody with the same entry."""

    def spans_machines(self, entry: CarrierEntry) -> bool:
        """Whether the meeting place of this system means something on other machines."""
        ...


def shortfall(found: object, kind: type, called: str) -> str:
    """What to say of an object that is not what a carrier should have given; empty if it is.

    Args:
        found: What it gave.
        kind: What it should be: text, a class, or a protocol that can be checked at run time.
        called: How people call that, such as ``a Link``.
    """
    if isinstance(found, kind):
        return ""
    members = {*getattr(kind, "__annotations__", ()), *vars(kind)} if kind is not str else ()
    lacks = [
        each for each in sorted(members) if each[0] != "_" and getattr(found, each, None) is None
    ]
    hint = f"; it has no {' and no '.join(lacks)}" if lacks else ""
    return f"gave {type(found).__name__!r} instead of {called}{hint}"
