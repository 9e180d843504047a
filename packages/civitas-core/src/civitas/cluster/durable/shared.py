"""`SharedMailboxes`: those of names that several agents or pools stand behind, which the root reads and hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from civitas.cluster.durable.broker import Wanted
from civitas.cluster.durable.durable import Durable
from civitas.cluster.durable.entries import KeptName
from civitas.cluster.durable.granting import Granting
from civitas.cluster.letters.elsewhere import Way
from civitas.cluster.letters.relay import Relay
from civitas.process import ChildKind

__all__ = ["SharedMailboxes"]


class SharedMailboxes:
    """Reads at the root what is sent to a name, for whichever of those behind it has the conversation.

    Args:
        name: Of the root.
        boot: Of the root.
        granting: Makes the mailboxes.
        durable: Reads them.
        relay: Has what stands behind a name.
        way: How messages go to agents of others.
    """

    def __init__(
        self, name: str, boot: str, granting: Granting, durable: Durable, relay: Relay, way: Way
    ) -> None:
        self.announce: Callable[[str], None] = _unannounced
        """Lets a name be known that several stand behind."""
        self._name = name
        self._boot = boot
        self._granting = granting
        self._durable = durable
        self._relay = relay
        self._way = way
        self._read: set[str] = set()

    def placed(self, family: str) -> None:
        """One behind a name has a place: what is sent to the name is kept, also before one of them has started.

        They may all be down when a root takes over, and what it held in memory would go with it.
        """
        address, group = self._granting.address(family), self._relay.group(family)
        if address and group is not None and family not in self._read:
            facts = group.facts(self._name, self._boot)
            facts = replace(facts, mailbox=address, size=self._granting.size(family))
            self._relay.show(group, KeptName(facts, self._way))

    async def read(self, family: str, kind: str, options: Mapping[str, Any]) -> None:
        """One behind a name has started, as an agent or a pool with these options: read the mailbox of the name.

        Raises:
            ConfigurationError: The broker cannot keep its messages.
        """
        several = kind == ChildKind.CONVERSATION_POOL
        wanted = self._granting.wanted(family) or Wanted(options["size"], several)
        address = await self._granting.make(family, wanted)
        group = self._relay.group(family)
        if group is not None and family not in self._read:
            # From now on all that is sent there goes one way.
            self._read.add(family)
            facts = replace(group.facts(self._name, self._boot), mailbox=address)
            self._relay.show(group, KeptName(facts, self._way))
            self.announce(family)
        handed = await self._granting.hand_over(family, self._boot, had_it=True)
        if handed is not None:
            await self._durable.read(
                family,
                address,
                lambda message: self._relay.route(message.recipient, message),
                size=wanted.size,
                max_deliveries=options["max_deliveries"],
                given=handed.given,
                finished=handed.finished,
            )

    def forget(self, family: str) -> None:
        """Nobody stands behind a name any more."""
        self._read.discard(family)

    def clear(self) -> None:
        """The system stops."""
        self._read.clear()


def _unannounced(name: str) -> None: ...
