"""The carrier `nats`: what its entry may hold, who may come in, and where the nodes meet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from civitas.brokers.nats import OPTIONS, NatsOptions, option_problems
from civitas.transport.carrier import Access, CarrierEntry
from civitas.transport.contract import Transport
from civitas.transport.nats.address import ROOT, Subjects, address_of
from civitas.transport.nats.transport import NatsTransport

__all__ = ["NatsCarrier"]

_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LATER = {
    "jetstream": "Not available yet.",
    "stream": "Not available yet.",
    "on_partition": "Not available yet.",
}
_WHY = "messages travel over core NATS, which keeps none of them"
_OWN = {
    "prefix": "What the subjects begin with; civitas by default. The name of the system follows.",
    "secret": "Text that all processes of the system know; without it, whoever the server lets in may join.",
}
_PATIENCE = 10.0
"""Seconds that the root waits for the server when it starts."""


class NatsCarrier:
    """Carries frames through a NATS server or cluster that all machines reach."""

    keys: ClassVar[Mapping[str, str]] = {**OPTIONS, **_OWN, **_LATER}

    def problems(self, entry: CarrierEntry) -> Iterator[tuple[str, str]]:
        """What is wrong; not that a file is not there, as other machines may have it."""
        yield from option_problems(entry.options)
        prefix = entry.options.get("prefix", "civitas")
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            yield (
                "prefix",
                f"'prefix' is words of letters, digits, - and _ with dots between them; got {prefix!r}",
            )
        for key in _LATER:
            if entry.options.get(key, False) is not False:
                yield key, f"{key!r} is not available yet: {_WHY}; leave the line out"
        if "secret" in entry.options and not _secret(entry):
            yield "secret", "'secret' is text that is not empty, such as ${CIVITAS_SECRET}"

    def access(self, entry: CarrierEntry) -> Access | None:
        """With `secret` from that. Without it, the server is the door: whoever it lets in may come.

        Where no process is started elsewhere, nobody needs to find a token, and the root makes one that none can know.
        """
        secret = _secret(entry)
        if not secret and not entry.awaited:
            return None
        return Access(
            hashlib.sha256(f"civitas {_subjects(entry).base} {secret}".encode()).hexdigest()
        )

    def for_root(self, entry: CarrierEntry, access: Access) -> Transport:
        """Reached under a token that all know."""
        return _transport(entry, ROOT, _PATIENCE)

    def meeting_place(self, entry: CarrierEntry) -> str:
        """That of whichever root there is."""
        return address_of(ROOT)

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> Transport:
        """Reached under a token of its own; waits for the server however long that is away."""
        return _transport(entry, None, None)


def _transport(entry: CarrierEntry, token: str | None, patience: float | None) -> Transport:
    options = NatsOptions.of(entry.options, entry.folder)
    options.keywords()  # says now what is not installed, or not there
    return NatsTransport(
        options,
        _subjects(entry),
        token=token,
        node_timeout=entry.node_timeout,
        patience=patience,
        system=entry.system,
    )


def _subjects(entry: CarrierEntry) -> Subjects:
    return Subjects.of(entry.options.get("prefix", "civitas"), entry.system)


def _secret(entry: CarrierEntry) -> str:
    secret = entry.options.get("secret")
    return secret if isinstance(secret, str) else ""
