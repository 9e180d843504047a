"""What the streams, subjects, consumers and buckets of a system are called."""

from __future__ import annotations

from dataclasses import dataclass

from civitas.brokers.nats import subjects_of, system_of, token_of

__all__ = ["MailboxNames"]


@dataclass(frozen=True, slots=True)
class MailboxNames:
    """The names of what a system keeps on the server; `docs/guides/nats.md` promises them.

    The server bounds the messages of each subject, and all subjects of a stream alike: so there is a stream for each
    mailbox size that is in use. An address is that size and the agent's token.

    Attributes:
        system: What streams and buckets begin with.
        base: What subjects begin with.
    """

    system: str
    base: str

    @classmethod
    def of(cls, prefix: str, name: str) -> MailboxNames:
        """Those of the system `name`."""
        return cls(system_of(prefix, name), subjects_of(prefix, name))

    @property
    def bucket(self) -> str:
        """The bucket with what the root notes."""
        return f"{self.system}_deliveries"

    @property
    def bodies(self) -> str:
        """The stream of messages that are too large for one of the server."""
        return f"{self.system}_bodies"

    def body(self, reference: str, piece: int | str) -> str:
        """Where a piece of one is put; ``*`` for all."""
        return f"{self.base}.body.{reference}.{piece}"

    def address(self, agent: str, size: int, *, several: bool) -> str:
        """Of the mailbox of an agent; `several` where each conversation has a bound of its own."""
        return f"{size}.{token_of(agent)}{'.' if several else ''}"

    def stream(self, address: str) -> str:
        """The stream that a mailbox is in."""
        return self.stream_of(int(address.partition(".")[0]))

    def stream_of(self, size: int) -> str:
        """The stream of all mailboxes of that size."""
        return f"{self.system}_mailboxes_{size}"

    def subjects_of(self, size: int) -> str:
        """What that stream takes."""
        return f"{self.base}.mbox.{size}.>"

    def subject(self, address: str, key: str) -> str:
        """Where a message is put."""
        if address.endswith("."):
            return f"{self.base}.mbox.{address}{token_of(key) if key else '-'}"
        return f"{self.base}.mbox.{address}"

    def filter(self, address: str) -> str:
        """Where all messages of a mailbox are."""
        return f"{self.base}.mbox.{address}{'>' if address.endswith('.') else ''}"

    def consumer(self, address: str) -> str:
        """Its consumer."""
        return f"mbox_{address.strip('.').partition('.')[2]}"

    def acks(self, address: str) -> str:
        """What the subjects begin with at which its deliveries are acknowledged."""
        return f"$JS.ACK.{self.stream(address)}.{self.consumer(address)}."
