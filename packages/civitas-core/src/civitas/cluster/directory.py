"""What every node of a system is told about each name, by the root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from civitas.cluster.facts import Facts
from civitas.cluster.letters.relay import Relay
from civitas.cluster.members.roster import Roster
from civitas.process import AgentProcess, Delivery
from civitas.supervision import ConversationPoolProcess

__all__ = ["Directory"]


class Directory:
    """What is known of each agent, here and in every process.

    Args:
        name: Of the root.
        boot: Of the root.
        roster: The processes.
        relay: Has what stands behind a name.
        learn: Lets this node know.
    """

    def __init__(
        self, name: str, boot: str, roster: Roster, relay: Relay, learn: Callable[[Facts], None]
    ) -> None:
        self._name = name
        self._boot = boot
        self._roster = roster
        self._relay = relay
        self._learn = learn
        self._facts: dict[str, Facts] = {}

    def announce(self, facts: Facts) -> None:
        """Let every node know of an agent."""
        if self._facts.get(facts.name) == facts:
            return
        self._facts[facts.name] = facts
        self._learn(facts)
        for peer in self._roster.peers():
            peer.cast("facts", self._as_told(facts, peer.name).plain())
        if facts.behind:
            self.announce_group(facts.behind)

    def announce_agent(self, name: str, agent: AgentProcess) -> None:
        """Let every node know of an agent of the root."""
        options = agent._civitas_options
        self.announce(
            Facts(
                name,
                self._name,
                self._boot,
                "agent",
                options.mailbox_size,
                options.delivery,
                options.max_deliveries,
            )
        )

    def announce_pool(self, pool: ConversationPoolProcess) -> None:
        """Let every node know of a conversation pool of the root."""
        options = pool.pool.child._civitas_options
        self.announce(
            Facts(
                pool.name,
                self._name,
                self._boot,
                pool.kind,
                options.mailbox_size,
                options.delivery,
                options.max_deliveries,
                max_live=pool.pool.max_live,
            )
        )

    def announce_group(self, name: str) -> None:
        """Let every node know of a name that several stand behind, or that none does any more."""
        group = self._relay.group(name)
        if group is None:
            return
        if len(group):
            self.announce(group.facts(self._name, self._boot))
        else:
            self._relay.dissolve(name)
            self.forget(name)

    def closed(self, name: str, why: str) -> None:
        """The mailbox of an agent of the root is closed for `why`; open again if that is empty."""
        facts = self._facts.get(name)
        if facts is not None and facts.node == self._name:
            self.announce(replace(facts, closed=why))

    def forget(self, name: str) -> None:
        """A name is gone."""
        if self._facts.pop(name, None) is not None:
            self._roster.tell("forget", name)

    def clear(self) -> None:
        """Every name is gone, and nobody is there to be told."""
        self._facts.clear()

    def all_for(self, node: str) -> list[list[object]]:
        """Everything that a node is told when it joins."""
        return [self._as_told(each, node).plain() for each in self._facts.values()]

    def whereis(self, name: str, node: str) -> list[object] | None:
        """What a node is told about a name, or about the pool of a conversation; None for one that is not there."""
        facts = self._facts.get(name) or self._facts.get(name.partition("/")[0])
        return self._as_told(facts, node).plain() if facts is not None else None

    def _as_told(self, facts: Facts, node: str) -> Facts:
        """What `node` is told about an agent: what must outlive its sender goes there by way of the root."""
        direct = facts.delivery == Delivery.AT_MOST_ONCE or facts.node in (self._name, node)
        return facts if direct else replace(facts, node=self._name, boot=self._boot)
