"""The parts of nats-py that `QuickClient` needs beside what is public: whether the installed version has them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator

from nats.aio import client, subscription, transport

from civitas.errors import ConfigurationError

__all__ = ["check_parts"]

_TESTED = ("2.15.0", "2.16.0")
"""The oldest and the newest version with which the tests have run."""


@functools.cache
def check_parts() -> None:
    """Check, once in a process, that they are there. Call it where an event loop runs.

    Raises:
        ConfigurationError: Some are missing; names them, the installed version, and what to install.
    """
    missing = list(_missing())
    if missing:
        raise ConfigurationError(
            f"NATS: nats-py {client.__version__}, which is installed, lacks what civitas-core needs of it: "
            f"{', '.join(missing)}. It was tested with {_TESTED[0]} to {_TESTED[1]}: "
            f"pip install 'nats-py[nkeys]=={_TESTED[1]}'"
        )


def _missing() -> Iterator[str]:
    found = client.Client()
    socket: Callable[[], object] = transport.TcpTransport  # which says nothing of its types
    needed: tuple[tuple[object, tuple[str, ...]], ...] = (
        (
            found,
            (
                "_transport",
                "_pending",
                "_pending_data_size",
                "_process_connect_init",
                "_remove_sub",
            ),
        ),
        (subscription.Subscription(found), ("_id",)),
        (socket(), ("_io_reader", "_io_writer", "drain", "write", "writelines")),
        (asyncio.StreamReader(), ("_buffer", "feed_data")),
    )
    for part, names in needed:
        for name in names:
            if not hasattr(part, name):
                yield f"{type(part).__name__}.{name}"
