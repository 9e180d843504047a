"""What a root does for the members of its system."""

from __future__ import annotations

from typing import Any

from civitas.cluster.dead_letters import take_from_members
from civitas.cluster.desk import Desk
from civitas.cluster.lent.lender import lend
from civitas.cluster.peers import Peer

__all__ = ["desk_for_members"]


def desk_for_members(root: Any) -> Desk:
    """Make the desk of a root.

    Args:
        root: It, put together of its parts.
    """

    async def is_succeeded(peer: Peer) -> bool:
        """Whether another process stands by, and answers what that one leaves in the mailboxes of the broker."""
        return bool(root.mailboxes.are_kept) and bool(root.membership.is_succeeded(peer))

    return Desk(
        root.name,
        root.calls,
        {
            **root.mailboxes.asked_by_all,
            **root._accepted.serves,
            "bury": take_from_members(root.dead, root.stays),
            "renew": root.mailboxes.renew,
            "meet": root._knowledge.wants_to_meet,
            "leave": root.membership.is_leaving,
            "succeeds": is_succeeded,
            "take_in_hand": root.roster.take_in_hand,
            "whereis": root._directory.tell_where,
            "matching": lambda _, pattern: root.matching(pattern),
            "spawn": root._spawn_for,
            **lend(root, root.roster.tell),
            "terminate": lambda _, sender, name: root.terminate_for(sender, name),
            "alive": lambda _, name: root.is_alive(name),
            "until_down": lambda _, name: root.last_words.until_down(name),
            "monitor": lambda _, *monitor: root.monitor_for(*monitor),
            "demonitor": lambda _, ref: root.demonitor(ref),
        },
        {
            "exited": root._children.has_exited,
            "left": root.membership.departures.left,
            "unreachable": root.membership.cannot_reach,
            "unreadable": root.membership.could_not_read,
            "drop": root.roster.finished,
            **root._accepted.casts,
            "put_back": root.roster.put_back,
            "event": root._children.happened,
            **root._gathered.casts,
            "report": root._children.reported,
            "let_go": root._knowledge.forgets,
        },
    )
