"""A node as a service of NATS: what `nats micro ls`, `info` and `stats` show of it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

from civitas.brokers.nats import token_of
from civitas.brokers.nats.micro import Endpoint, Service
from civitas.process.account import Account
from civitas.transport.nats.address import Subjects
from civitas.transport.presence import Presence

__all__ = ["service_of"]

_OTHER = re.compile(r"[^A-Za-z0-9_-]")


def service_of(node: Presence, system: str, subjects: Subjects, token: str, run: str) -> Service:
    """The service that one process of a system is.

    Args:
        node: Of the process.
        system: Name of the system.
        subjects: Those of the system.
        token: Of the node, where its messages go.
        run: Which run of it.
    """

    def endpoints() -> Iterator[Endpoint]:
        for account in sorted(node.accounts(), key=lambda each: each.name):
            yield _endpoint(account, subjects.batches(token))

    return Service(
        name=_OTHER.sub("_", subjects.base),
        id=run,
        description=f"Process {node.name!r} of the Civitas system {system!r}",
        metadata={
            "system": system,
            "node": node.name,
            "pid": str(os.getpid()),
            "host": socket.gethostname(),
        },
        endpoints=endpoints,
    )


def _endpoint(account: Account, subject: str) -> Endpoint:
    return Endpoint(
        name=token_of(account.name),
        subject=subject,
        metadata={"agent": account.name, "kind": account.kind},
        requests=account.handled,
        errors=account.failed,
        last_error=account.last_error,
        data={"status": account.status, "waiting": account.waiting, "awake": account.awake},
    )
