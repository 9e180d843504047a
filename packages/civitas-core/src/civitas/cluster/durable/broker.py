"""What a node needs of a broker that keeps messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from civitas.process import Delivery
from civitas.process.options import AgentOptions
from civitas.transport.mailboxes import Mailboxes, MailboxKeeper

__all__ = ["Broker", "Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mailbox that an agent needs.

    Attributes:
        size: How many messages may be unfinished in it.
        several: Whether it is that of a pool.
    """

    size: int
    several: bool = False

    @classmethod
    def of(cls, options: AgentOptions, *, several: bool = False) -> Wanted | None:
        """What an agent with these options needs; None for one that needs none."""
        if options.delivery == Delivery.AT_MOST_ONCE:
            return None
        return cls(options.mailbox_size, several)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that keeps messages, as it is given to a node.

    Attributes:
        mailboxes: Makes the mailboxes as the node uses them, not open.
        of_all: Whether it keeps the messages of every agent.
        keeper: What the root does with them; None for any other node.
        wanted: The agents whose messages it keeps, as far as the topology says so; of the root.
    """

    mailboxes: Callable[[], Mailboxes]
    of_all: bool = False
    keeper: MailboxKeeper | None = None
    wanted: Mapping[str, Wanted] = field(default_factory=dict)
