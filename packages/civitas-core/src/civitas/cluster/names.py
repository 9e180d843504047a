"""What this node knows of which name: who is elsewhere, and whether there is a way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool, Way
from civitas.message import Message
from civitas.node import Registry
from civitas.process import ChildKind

__all__ = ["Names"]


class Names:
    """Keeps the registry of a node true for the agents of others.

    Args:
        name: Of this node.
        registry: Of this node.
        peers: The nodes that there is a way to, by boot id.
        way: How messages go to agents of others.
    """

    def __init__(
        self, name: str, registry: Registry, peers: Mapping[str, object], way: Way
    ) -> None:
        self._name = name
        self._registry = registry
        self._peers = peers
        self._way = way

    def elsewhere(self) -> Iterator[Elsewhere]:
        """The agents of other nodes that this one knows, conversations included."""
        for each in list(self._registry.values()):
            if isinstance(each, Elsewhere):
                yield each
        for pool in self.pools():
            yield from pool.all()

    def pools(self) -> list[ElsewherePool]:
        """The conversation pools of other nodes."""
        return [pool for pool in self._registry.pools.values() if isinstance(pool, ElsewherePool)]

    def emptied(self, name: str) -> list[Message]:
        """Take out what stands here for an agent or a pool that this node is about to host."""
        pool, agent = self._registry.pools.get(name), self._registry.get(name)
        each = list(pool.all()) if isinstance(pool, ElsewherePool) else []
        if isinstance(agent, Elsewhere):
            each.append(agent)
        self.unlearn(name)
        return [message for one in each for message in one.outbox.emptied()]

    def learn(self, facts: Facts) -> list[Message]:
        """Take over what is known now of an agent that another node hosts, or this one will.

        Returns:
            The messages for it that nobody will take any more.
        """
        if facts.behind:
            self._registry.behind.add(facts.name)
        if facts.node == self._name and self._hosts(facts.name):
            return []
        known: Elsewhere | ElsewherePool | None
        if facts.kind == ChildKind.CONVERSATION_POOL:
            pool = self._registry.pools.get(facts.name)
            known = pool if isinstance(pool, ElsewherePool) else None
            if known is None:
                known = self._registry.pools[facts.name] = ElsewherePool(facts, self._way)
        else:
            cell = self._registry.get(facts.name)
            known = cell if isinstance(cell, Elsewhere) else None
            if known is None:
                known = self._registry[facts.name] = Elsewhere(facts, self._way)
        left = known.learn(facts)
        if not facts.closed:
            for each in known.all() if isinstance(known, ElsewherePool) else (known,):
                self.open_way_of(each)
        return left

    def idle(self) -> list[str]:
        """The agents and pools of other nodes that nothing is on the way to."""
        agents = [
            name
            for name, each in self._registry.items()
            if isinstance(each, Elsewhere) and not each.outbox.is_needed
        ]
        return agents + [pool.name for pool in self.pools() if not any(True for _ in pool.all())]

    def unlearn(self, name: str) -> None:
        """Forget the name of an agent of another node."""
        if isinstance(self._registry.get(name), Elsewhere):
            del self._registry[name]
        if isinstance(self._registry.pools.get(name), ElsewherePool):
            del self._registry.pools[name]
        self._registry.behind.discard(name)

    def _hosts(self, name: str) -> bool:
        """Whether an agent or a pool runs here."""
        registry = self._registry
        found = registry.get(name) or registry.pools.get(name) or registry.groups.get(name)
        return found is not None and not isinstance(found, Elsewhere | ElsewherePool)

    def is_there(self, boot: str | None) -> bool:
        """Whether there is a way to a run of a node."""
        return boot in self._peers

    def open_way_of(self, each: Elsewhere) -> None:
        """Send what waits for an agent, if there is a way to it."""
        if each.boot in self._peers and not each.outbox.way_is_open:
            each.outbox.open_way()

    def open_ways_to(self, boot: str) -> None:
        """There is a way to a node now: what waited for it goes on its way."""
        for each in self.elsewhere():
            if each.boot == boot and not each.facts.closed:
                each.outbox.open_way()

    def hold_back(self, boot: str) -> None:
        """A node is about to leave: keep what comes for its agents until it has."""
        for each in self.elsewhere():
            if each.boot == boot:
                each.outbox.close_way()
        for pool in self.pools():
            if pool.facts.boot == boot:
                pool.alive = False

    def hold_back_for(self, name: str) -> list[Elsewhere]:
        """Keep what comes for an agent or a pool of another node from now on; returns what it was sent to."""
        pool, agent = self._registry.pools.get(name), self._registry.get(name)
        if isinstance(pool, ElsewherePool):
            pool.alive = False
        each = list(pool.all()) if isinstance(pool, ElsewherePool) else []
        if isinstance(agent, Elsewhere):
            each.append(agent)
        for one in each:
            one.outbox.close_way()
        return each
