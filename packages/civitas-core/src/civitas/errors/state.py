"""A state store that could not do what it was asked for."""

from __future__ import annotations

from civitas.errors.base import CivitasError

__all__ = ["StateConflict", "StateStoreError"]


class StateStoreError(CivitasError):
    """A state store could not read or write. What was acknowledged before is still there.

    Attributes:
        key: The key it was about, or None.
        transient: Whether it may pass by itself, as a full disk or a server that is away may: agents then wait for the
            store for a while, in place.
    """

    def __init__(self, problem: str, *, key: str | None = None, transient: bool = False) -> None:
        self.key = key
        self.transient = transient
        super().__init__(problem)


class StateConflict(StateStoreError):
    """Somebody else has written under the key since it was read. What they wrote stays.

    For an agent it means that another incarnation of it has taken over, on another machine perhaps.

    Attributes:
        key: The key.
        expected: The revision that was to be replaced; 0 for nothing.
        found: The one that is there; 0 for nothing.
    """

    def __init__(self, key: str, expected: int, found: int, *, text: str = "") -> None:
        self.expected = expected
        self.found = found
        super().__init__(
            text
            or f"{key!r} was not saved: somebody else has written it since it was read (revision {found} is there, and "
            f"{expected} was expected). Read it again and decide with what it says; if it is an agent's own state "
            "or conversation, another incarnation or another process of the agent uses it at the same time",
            key=key,
        )
