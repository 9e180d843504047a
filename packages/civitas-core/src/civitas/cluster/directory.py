"""What the nodes of a system are told about a name, by the root."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from civitas.cluster.facts import Facts
from civitas.cluster.letters.relay import Move, Relay
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.peers import Peer
from civitas.process import AgentProcess, ChildKind, Delivery
from civitas.supervision import ConversationPoolProcess

__all__ = ["Directory"]


class Directory:
    """What is known of each agent: all of it here, and in each process what that uses.

    Args:
        name: Of the root.
        boot: Of the root.
        knowledge: Which process knows which name.
        relay: Has what stands behind a name.
        learn: Lets this node know.
        move: Lets one agent behind a name have what another was to have.
        closest: The names that are most like one that nobody has.
        mailbox_of: Finds where the broker keeps the messages of an agent; empty if it does not.
        passes_on: Says whether the next root starts again what ends here, so that nobody is told that it has ended.
    """

    def __init__(
        self,
        name: str,
        boot: str,
        knowledge: Knowledge,
        relay: Relay,
        learn: Callable[[Facts], None],
        move: Move,
        closest: Callable[[str], list[str]],
        mailbox_of: Callable[[str], str] = lambda name: "",
        passes_on: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name = name
        self._boot = boot
        self._knowledge = knowledge
        self._relay = relay
        self._learn = learn
        self._move = move
        self._closest = closest
        self._mailbox_of = mailbox_of
        self._passes_on = passes_on
        self._facts: dict[str, Facts] = {}

    def announce(self, facts: Facts) -> None:
        """Let every node that knows of an agent know this."""
        if self._facts.get(facts.name) == facts:
            return
        self._facts[facts.name] = facts
        self._learn(facts)
        for peer in self._knowledge.who_knows(facts.name):
            self._tell(peer, facts)
        if facts.behind:
            self.announce_group(facts.behind)
            self._relay.settle(facts.behind, self._move)

    def announce_agent(self, name: str, agent: AgentProcess) -> None:
        """Let an agent of the root be known."""
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
                mailbox=self._mailbox_of(name),
                gives_up=options.cancel_on_timeout,
            )
        )

    def announce_pool(self, pool: ConversationPoolProcess) -> Facts:
        """Let a conversation pool of the root be known; returns what is known of it."""
        options = pool.pool.child._civitas_options
        facts = Facts(
            pool.name,
            self._name,
            self._boot,
            pool.kind,
            options.mailbox_size,
            options.delivery,
            options.max_deliveries,
            max_live=pool.pool.max_live,
            mailbox=self._mailbox_of(pool.name),
            gives_up=options.cancel_on_timeout,
        )
        self.announce(facts)
        return facts

    def announce_group(self, name: str) -> None:
        """Let a name be known that several stand behind, or that none does any more."""
        group = self._relay.group(name)
        if group is None:
            return
        if len(group):
            facts = group.facts(self._name, self._boot)
            self.announce(replace(facts, mailbox=self._mailbox_of(name)))
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
            for peer in self._knowledge.who_knows(name):
                peer.cast("forget", name)
            self._knowledge.forget(name)

    def clear(self) -> None:
        """Every name is gone, and nobody is there to be told."""
        self._facts.clear()

    def whereis(self, names: Iterable[str], peer: Peer) -> dict[str, list[str]]:
        """Tell a process where names are, and whenever that changes; a conversation is where its pool is.

        Returns:
            The closest names to each that nobody has.
        """
        unknown: dict[str, list[str]] = {}
        for name in names:
            facts = self._facts.get(name) or self._pool_of(name)
            if facts is None:
                unknown[name] = self._closest(name)
            else:
                self._knowledge.learns(peer, facts.name)
                self._tell(peer, facts)
        return unknown

    async def tell_where(self, peer: Peer, names: list[str]) -> dict[str, list[str]]:
        """The same for a process that waits for it."""
        return self.whereis(names, peer)

    def _pool_of(self, conversation: str) -> Facts | None:
        facts = self._facts.get(conversation.partition("/")[0])
        pool = ChildKind.CONVERSATION_POOL
        return facts if facts is not None and facts.kind == pool else None

    def _tell(self, peer: Peer, facts: Facts) -> None:
        told = self._as_told(facts, peer.name)
        self._knowledge.introduce(peer, told.boot)
        peer.cast("facts", told.plain())
        if self._knowledge.is_leaving(told.boot):
            peer.cast("leaving", told.boot)

    def _as_told(self, facts: Facts, node: str) -> Facts:
        """What `node` is told about an agent: what must outlive its sender goes there by way of the root."""
        if self._passes_on():
            facts = replace(facts, closed="")
        here = facts.delivery != Delivery.DURABLE and facts.node == node
        direct = facts.delivery == Delivery.AT_MOST_ONCE or here or facts.node == self._name
        return (
            facts if direct or facts.mailbox else replace(facts, node=self._name, boot=self._boot)
        )
