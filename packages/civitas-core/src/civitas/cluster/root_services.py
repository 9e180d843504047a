"""What the root offers to the children that run in other OS processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from civitas.cluster.facts import Facts
from civitas.process import ExitReason
from civitas.state import StateStore

if TYPE_CHECKING:
    from civitas.cluster.calls import Calls
    from civitas.cluster.members.roster import Roster
    from civitas.cluster.members.starting import Starting
    from civitas.cluster.peers import Peer
    from civitas.node.budgets import Budgets
    from civitas.node.scheduler import Scheduler

__all__ = ["RootServices"]


class Tree(Protocol):
    """The tree that such a child is part of, as the root keeps it."""

    store: StateStore
    scheduler: Scheduler
    budgets: Budgets

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""

    def unsent(self, name: str) -> int:
        """How many messages for `name` wait at the root for its process."""


@dataclass(frozen=True, slots=True)
class RootServices:
    """What a child in another process needs of the root.

    Attributes:
        tree: The tree.
        conversations_are_down: Called with the name of a pool whose process is gone, and why.
        roster: The processes.
        starting: Starts them.
        calls: To them.
        announce: Lets every node know of an agent.
        end: Ends a process that does not do what it should, for a reason.
        has: Called with the name that one stands behind, its own, and a conversation that it has already.
        mailbox_of: Finds where the broker keeps the messages of an agent; empty if it does not.
        grant: Hands the mailbox at the broker of an agent with `at_least_once` to the process that has started it, by
            its name, its kind, its options there and the name that it stands behind; returns the address, empty if it
            has none of its own.
    """

    tree: Tree
    conversations_are_down: Callable[[str, ExitReason], None]
    roster: Roster
    starting: Starting
    calls: Calls
    announce: Callable[[Facts], None]
    end: Callable[[Peer, str], None]
    has: Callable[[str, str, str], None]
    mailbox_of: Callable[[str], str]
    grant: Callable[[str, str, Mapping[str, Any], Peer, str], Awaitable[str]]
