"""What carries messages between the OS processes of a system.

Within one OS process nothing is carried: a message goes from hand to hand in `civitas.node`. This room holds
the names that `transport=` takes, and from the next rung of the ladder on the contract that ZMQ and NATS fulfil.
"""

from __future__ import annotations

import difflib

from civitas.errors import ConfigurationError

__all__ = ["TRANSPORTS", "check_transport"]

TRANSPORTS = ("in_process", "zmq")
_PLANNED = ("nats",)


def check_transport(name: str) -> str:
    """Return `name` if this version can carry messages that way, else raise `ConfigurationError`."""
    if name in TRANSPORTS:
        return name
    if name in _PLANNED:
        raise ConfigurationError(f"transport {name!r} is not in this version yet; use 'zmq'")
    near = difflib.get_close_matches(str(name), (*TRANSPORTS, *_PLANNED), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(
        f"there is no transport {name!r}; known: {', '.join(TRANSPORTS)}{hint}"
    )
