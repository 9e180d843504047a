"""The carrier `nats`: what its entry may hold, who may come in, and where the nodes meet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from civitas.brokers.nats import OPTIONS, NatsOptions, option_problems
from civitas.brokers.nats.jetstream import StreamLimits, limit_problems
from civitas.brokers.nats.register import Bucket
from civitas.transport.carrier import Access, CarrierEntry
from civitas.transport.contract import Transport
from civitas.transport.mailboxes import Mailboxes, MailboxKeeper
from civitas.transport.nats.address import ROOT, Subjects, address_of

if TYPE_CHECKING:
    from civitas.transport.nats.dead_letters import NatsDeadLetters
    from civitas.transport.nats.mailboxes import MailboxNames

# Every process looks at all carriers. What this one carries with is imported where a system uses it.

__all__ = ["NatsCarrier"]

_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_OWN = {
    "prefix": "What the subjects begin with; civitas by default. The name of the system follows.",
    "jetstream": "Whether the server keeps messages: true for every agent, false for none; without it, for those with "
    "at_least_once.",
    "stream": "The limits of what it keeps, a mapping: storage, replicas, max_age, max_bytes, sync.",
    "on_partition": "What the side without the leader does with its agents: stop, the default, or keep.",
    "secret": "Text that all processes of the system know; without it, whoever the server lets in may join.",
}
_PATIENCE = 10.0
"""Seconds that the root waits for the server when it starts."""


class NatsCarrier:
    """Carries frames through a NATS server or cluster that all machines reach."""

    keys: ClassVar[Mapping[str, str]] = {**OPTIONS, **_OWN}

    def problems(self, entry: CarrierEntry) -> Iterator[tuple[str, str]]:
        """What is wrong; not that a file is not there, as other machines may have it."""
        yield from option_problems(entry.options)
        prefix = entry.options.get("prefix", "civitas")
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            yield (
                "prefix",
                f"'prefix' must be words of letters, digits, - and _ with dots between them; got {prefix!r}",
            )
        if (what := entry.options.get("on_partition", "stop")) not in ("keep", "stop"):
            yield "on_partition", f"'on_partition' must be keep or stop; got {what!r}"
        if not isinstance(entry.options.get("jetstream", True), bool):
            given = entry.options["jetstream"]
            yield "jetstream", f"'jetstream' must be true or false; got {given!r}"
        if "stream" in entry.options:
            yield from (("stream", text) for text in limit_problems(entry.options["stream"]))
            if entry.options.get("jetstream") is False:
                yield "stream", "'jetstream: false' keeps nothing; leave out 'stream', or that"
        if "secret" in entry.options and not _secret(entry):
            yield "secret", "'secret' must be text that is not empty, such as ${CIVITAS_SECRET}"

    def access(self, entry: CarrierEntry) -> Access | None:
        """With `secret` from that. Without it, the server is the door: whoever it lets in may come.

        Where no process is started elsewhere, and no other root may take over, nobody needs to find a token, and the
        root makes one that none can know.
        """
        secret = _secret(entry)
        if not secret and not entry.awaited and not self.elects(entry):
            return None
        return Access(
            hashlib.sha256(f"civitas {_subjects(entry).base} {secret}".encode()).hexdigest()
        )

    def for_root(self, entry: CarrierEntry, access: Access) -> Transport:
        """Reached under a token that all know."""
        bucket = _bucket(entry) if self.elects(entry) else None
        return _transport(entry, ROOT, _PATIENCE, bucket)

    def elects(self, entry: CarrierEntry) -> bool:
        """Whether several roots may be started; see `Elects`."""
        return entry.options.get("jetstream") is not False

    def meeting_place(self, entry: CarrierEntry) -> str:
        """That of whichever root there is."""
        return address_of(ROOT)

    def spans_machines(self, entry: CarrierEntry) -> bool:
        """Wherever the server is reached; see `SpansMachines`."""
        return True

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> Transport:
        """Reached under a token of its own; waits for the server however long that is away."""
        return _transport(entry, None, None)

    def dead_letters(self, entry: CarrierEntry) -> NatsDeadLetters | None:
        """Those in the stream of the system; None for `jetstream: false`."""
        return None if self.keeps(entry) is False else _dead_letters(entry)

    def keeps(self, entry: CarrierEntry) -> bool | None:
        """As `jetstream` says."""
        said: bool | None = entry.options.get("jetstream")
        return said

    def mailboxes(self, entry: CarrierEntry, transport: Transport) -> Mailboxes:
        """Those in its streams, over a connection of their own."""
        from civitas.transport.nats.mailboxes import NatsMailboxes
        from civitas.transport.nats.transport import NatsTransport

        assert isinstance(transport, NatsTransport)  # it made that
        return NatsMailboxes(
            NatsOptions.of(entry.options, entry.folder),
            _names(entry),
            inbox=transport.own_subject("mail"),
            who=transport.token,
            sign=transport,
            node_timeout=entry.node_timeout,
            dead_letters=_dead_letters(entry),
        )

    def keeper(self, entry: CarrierEntry) -> MailboxKeeper:
        """That of its streams."""
        from civitas.transport.nats.mailboxes import NatsMailboxKeeper

        return NatsMailboxKeeper(
            NatsOptions.of(entry.options, entry.folder),
            _names(entry),
            StreamLimits.of(entry.options.get("stream", {})),
            system=entry.system,
            patience=max(_PATIENCE, entry.node_timeout),
            dead_letters=_dead_letters(entry).configuration(),
        )


def _transport(
    entry: CarrierEntry, token: str | None, patience: float | None, bucket: Bucket | None = None
) -> Transport:
    from civitas.transport.nats.transport import NatsTransport

    options = NatsOptions.of(entry.options, entry.folder)
    options.keywords()  # says now what is not installed, or not there
    return NatsTransport(
        options,
        _subjects(entry),
        token=token,
        node_timeout=entry.node_timeout,
        patience=patience,
        system=entry.system,
        bucket=bucket,
        keeps=entry.options.get("on_partition") == "keep",
    )


def _dead_letters(entry: CarrierEntry) -> NatsDeadLetters:
    from civitas.transport.nats.dead_letters import NatsDeadLetters

    options = NatsOptions.of(entry.options, entry.folder)
    options.keywords()  # says now what is not installed, or not there
    prefix = entry.options.get("prefix", "civitas")
    limits = StreamLimits.of(entry.options.get("stream") or {})
    return NatsDeadLetters(options, prefix, entry.system, limits)


def _bucket(entry: CarrierEntry) -> Bucket:
    """What the roots of a system, and whoever leads it, have to remember."""
    names = _names(entry)
    return Bucket(
        f"{names.system}_cluster", f"Who leads the Civitas system {entry.system}, and its notes"
    )


def _subjects(entry: CarrierEntry) -> Subjects:
    return Subjects.of(entry.options.get("prefix", "civitas"), entry.system)


def _names(entry: CarrierEntry) -> MailboxNames:
    from civitas.transport.nats.mailboxes import MailboxNames

    return MailboxNames.of(entry.options.get("prefix", "civitas"), entry.system)


def _secret(entry: CarrierEntry) -> str:
    secret = entry.options.get("secret")
    return secret if isinstance(secret, str) else ""
