"""The names of runs that nobody gave: by them a call that is made again finds what it began."""

from __future__ import annotations

import hashlib

__all__ = ["call_name", "is_call"]

_PREFIX = "civitas:call:"


def call_name(key: str, to: str, raw: bytes, number: int) -> str:
    """Name of the run that one agent's call of another begins, the same each time that the call is made.

    Args:
        key: The idempotency key of what makes the call.
        to: The agent that is called.
        raw: The payload, encoded.
        number: Of how many such calls were made before it.
    """
    digest = hashlib.sha256(f"{key}\0{to}\0{number}\0".encode() + raw)
    return _PREFIX + digest.hexdigest()[:32]


def is_call(run: str) -> bool:
    """Whether a name is one of these: its run ends with that of its caller, and counts only with an answer."""
    return run.startswith(_PREFIX)
