"""The agents of a topology whose messages the broker keeps, as far as that can be known before they are made."""

from __future__ import annotations

from collections.abc import Iterator

from civitas.cluster.durable.broker import Wanted
from civitas.process import AgentProcess, Delivery
from civitas.supervision import ChildSpec, ConversationPool, Supervisor
from civitas.topology.grammar import AgentEntry, Topology

__all__ = ["kept_elsewhere", "kept_of"]


def kept_of(topology: Topology, tree: Supervisor, *, all_of_them: bool) -> dict[str, Wanted]:
    """The mailboxes that the agents of a topology need at the broker.

    Args:
        topology: Says it of agents that other processes make. One whose class wants it is known when it has started.
        tree: Has the agents of the root.
        all_of_them: Whether every agent needs one.
    """
    return {**dict(kept_elsewhere(topology, all_of_them)), **dict(_made(tree, all_of_them))}


def kept_elsewhere(topology: Topology, all_of_them: bool) -> Iterator[tuple[str, Wanted]]:
    """The mailboxes of agents in other processes than the root, as far as the topology tells; see `kept_of`."""
    for _, _, entry in topology.walk():
        if not isinstance(entry, AgentEntry) or not entry.process:
            continue
        given = entry.keywords()
        delivery, size = given.get("delivery"), given.get("mailbox_size", 1000)
        # An adapter that makes its runs durable wants it, too.
        sure = (
            str(delivery).lower() in (Delivery.AT_LEAST_ONCE, Delivery.DURABLE)
            or given.get("durable") is True
        )
        if (all_of_them or sure) and isinstance(size, int):
            # Of a pool the bound is for each conversation; of replicas their mailboxes count together.
            yield (
                entry.name,
                Wanted(size if entry.is_pool else size * entry.replicas, entry.is_pool),
            )


def _made(child: ChildSpec, all_of_them: bool) -> Iterator[tuple[str, Wanted]]:
    if isinstance(child, (AgentProcess, ConversationPool)):
        pool = isinstance(child, ConversationPool)
        agent = child.child if isinstance(child, ConversationPool) else child
        options = agent._civitas_options
        if all_of_them or options.delivery is not Delivery.AT_MOST_ONCE:
            yield child.name, Wanted(options.mailbox_size, pool)
    for each in getattr(child, "children", ()):
        yield from _made(each, all_of_them)
