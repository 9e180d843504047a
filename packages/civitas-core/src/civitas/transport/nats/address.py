"""Addresses of nodes, and the subjects at which they are reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

from civitas.brokers.nats import subjects_of
from civitas.errors import ConfigurationError
from civitas.transport.batches import ANY_RUN

__all__ = ["ROOT", "Subjects", "address_of", "split_address"]

ROOT = "root"
"""The token of the root, whose address others know before it runs."""

_ADDRESS = re.compile(r"nats:(?P<token>[A-Za-z0-9_-]+)(#(?P<run>[0-9a-f]{16}))?")


def address_of(token: str, run: bytes = b"") -> str:
    """The address of a node; without a run, that of whichever is there under the token."""
    return f"nats:{token}#{run.hex()}" if run else f"nats:{token}"


def split_address(address: str) -> tuple[str, bytes]:
    """The token and the run, which may be `ANY_RUN`.

    Raises:
        ConfigurationError: It is not an address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigurationError(f"{address!r} is not an address; over NATS one is nats:TOKEN#RUN")
    return found["token"], bytes.fromhex(found["run"]) if found["run"] else ANY_RUN


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects of a system: all of them begin with its prefix and its name.

    Attributes:
        base: What they begin with.
    """

    base: str

    @classmethod
    def of(cls, prefix: str, system: str) -> Subjects:
        """Those of the system of that name."""
        return cls(subjects_of(prefix, system))

    @property
    def inbox(self) -> str:
        """Prefix of what answers to requests are sent to."""
        return f"{self.base}.inbox"

    def batches(self, token: str) -> str:
        """Where a node takes batches."""
        return f"{self.base}.node.{token}"

    def acks(self, run: bytes, about: str) -> str:
        """Where a run takes acknowledgements; `about` says what they answer, or is ``*``."""
        return f"{self.base}.ack.{run.hex()}.{about}"

    def beats(self, token: str) -> str:
        """Where a node shows that it lives."""
        return f"{self.base}.beat.{token}"

    def here(self, token: str) -> str:
        """Where a node answers whether it is there."""
        return f"{self.base}.here.{token}"

    def proofs(self, run: bytes) -> str:
        """Where a run of a node sees that the server has handed on what it showed."""
        return f"{self.base}.proof.{run.hex()}"

    def belongs(self, token: str) -> str:
        """Where a node, the root, answers those who ask whether they still belong to the system."""
        return f"{self.base}.belongs.{token}"

    def looks(self, token: str | None) -> str:
        """Where a node is looked into; with None, all of them at once."""
        return f"{self.base}.look.{token}" if token is not None else f"{self.base}.look"

    @property
    def waits(self) -> str:
        """Where a root that waits says that it does."""
        return f"{self.base}.waits"

    @property
    def takes(self) -> str:
        """Where a root that waits asks the one that leads to pass on what it does."""
        return f"{self.base}.takes"

    def holds(self, subject: bytes) -> bool:
        """Whether a subject is one of acknowledgements of this system."""
        return subject.startswith(f"{self.base}.ack.".encode())

    def is_inner(self, subject: str) -> bool:
        """Whether a subject is one of this system at which no stranger waits for an answer."""
        own = subject.startswith(f"{self.base}.")
        return own and not subject.startswith(f"{self.inbox}.")
