"""What carries messages between the OS processes of a system.

Within one OS process nothing is carried: a message goes from hand to hand in `civitas.node`. A `Carrier` is what the
hook `civitas_transports` offers, ZMQ and NATS among them, and a `Transport` what it makes for one node.
"""

from __future__ import annotations

from collections.abc import Iterable

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.transport.carrier import (
    Access,
    Carrier,
    CarrierEntry,
    Elects,
    Place,
    SpansMachines,
)
from civitas.transport.contract import MAX_FRAME, CutOff, Link, Transport, Watch, check_frame

__all__ = [
    "MAX_FRAME",
    "Access",
    "Carrier",
    "CarrierEntry",
    "CutOff",
    "Elects",
    "Link",
    "Place",
    "SpansMachines",
    "Transport",
    "Watch",
    "check_frame",
    "check_transport",
    "unknown_transport",
]


def unknown_transport(name: object, known: Iterable[str]) -> str:
    """What to say of a name that no carrier has; empty if one has it."""
    known = sorted(known)
    if name in known:
        return ""
    hint = did_you_mean(name, known) or "."
    return f"there is no transport {name!r}{hint} There are: {', '.join(known)}"


def check_transport(name: str, known: Iterable[str], *, carries: bool) -> None:
    """Check what was given as `transport=`.

    Args:
        name: That.
        known: The names of the carriers that there are.
        carries: Whether there is another OS process to carry anything to.

    Raises:
        ConfigurationError: No carrier has that name, or there is nothing to carry.
    """
    if unknown := unknown_transport(name, known):
        raise ConfigurationError(unknown)
    if name != "in_process" and not carries:
        raise ConfigurationError(
            f"transport={name!r} carries messages between OS processes, and this runtime has only its own; leave it "
            "out, or name processes (process: NAME) in a topology and use Runtime.from_config"
        )
