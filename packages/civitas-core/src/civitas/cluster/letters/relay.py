"""Which agent a message is for that came to the root, where several may stand behind a name or one is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.replicas import Crew, Replicas
from civitas.message import Message, loads
from civitas.message.large import Large
from civitas.node import Recipient, Registry
from civitas.node.registry import Recipients
from civitas.process import ChildKind

__all__ = ["Move", "Relay"]

Move: TypeAlias = Callable[[Message, int, Elsewhere], None]
"""Lets an agent have what another was to have, which was given to so many incarnations before."""


class Relay:
    """Finds the agent for a message that came to the root, which hands on those for replicas and `at_least_once`.

    To the node that a message came from, the name lives here; to the one that gets it, it came from here. So flow
    control, redelivery, and what a dead process means for either side are the same as between any two nodes, and what
    is said of a message on both ways keeps its order. And what came outlives the process of its sender.

    Args:
        registry: Of the root.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._groups: dict[str, Replicas] = {}

    def group(self, name: str) -> Replicas | None:
        """What stands behind `name`, if that is several agents or pools."""
        return self._groups.get(name)

    def join(self, family: str, child: Crew, kind: ChildKind) -> None:
        """One more stands behind a name."""
        group = self.group(family)
        if group is None:
            group = self._groups[family] = Replicas(family, kind, self._registry)
            self.show(group, group)
        group.add(child)

    def show(self, group: Replicas, recipients: Recipients) -> None:
        """Let the senders of the root find what stands behind a name; to them several pools are a pool."""
        pools, groups = self._registry.pools, self._registry.groups
        (groups if group.kind is ChildKind.AGENT else pools)[group.name] = recipients

    def leave(self, family: str, name: str) -> None:
        """One of those that stand behind a name is gone."""
        group = self.group(family)
        if group is not None:
            group.remove(name)

    def dissolve(self, name: str) -> None:
        """Nobody stands behind a name any more."""
        self._groups.pop(name, None)
        self._registry.groups.pop(name, None)
        self._registry.pools.pop(name, None)

    def pool_of(self, conversation: str) -> str:
        """The name of the pool that a conversation lives in; empty if it lives in none of several."""
        name, _, conversation = conversation.partition("/")
        group = self.group(name)
        return group.holder(conversation) if group is not None else name

    def has(self, family: str, name: str, conversation: str) -> None:
        """One behind a name has a conversation already, as another root gave it that."""
        group = self.group(family)
        if group is not None:
            group.began(conversation, name)

    def settle(self, family: str, move: Move) -> None:
        """One behind a name came or went: what stands here for one whose process is gone goes to another."""
        group = self.group(family)
        if group is not None:
            for moved in group.unattended():
                move(*moved)

    def retired(self, family: str, name: str, move: Move) -> None:
        """One behind a name has finished what it was sent: the others have what came since, and its conversations."""
        group = self.group(family)
        if group is not None:
            for moved in group.taken_from([name]):
                move(*moved)

    def clear(self) -> None:
        """Forget every name."""
        self._groups.clear()
        self._registry.groups.clear()
        self._registry.behind.clear()

    def route(self, to: str, message: Message) -> Recipient:
        """The agent that a message to `to` is for."""
        group = self.group(to)
        if group is not None:
            return group.choose(message.conversation, message.sender, message.id)
        return self._registry.route(to, message.conversation, message.id)

    def answered(self, each: Elsewhere, reply: bytes | Large) -> None:
        """A conversation may begin with an answer, as with an interrupt: it stays with the one that gave it."""
        group = self.group(each.facts.behind)
        if group is not None:
            one = each.name if each.pool is None else each.pool.name
            group.began(loads(reply).conversation, one)
