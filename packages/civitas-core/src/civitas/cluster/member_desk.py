"""What a member does for the root of its system."""

from __future__ import annotations

from typing import Any

from civitas.cluster.desk import Desk
from civitas.cluster.facts import Facts
from civitas.cluster.inside import Inside
from civitas.cluster.lent.borrowing import borrow_tools

__all__ = ["desk_for_root"]


def desk_for_root(member: Any) -> Desk:
    """Make the desk of a member.

    Args:
        member: It, put together of its parts.
    """
    names, hosting = member._letters.names, member._hosting
    return Desk(
        member.name,
        member.calls,
        {
            "awake": hosting.awake,
            "start": hosting.start,
            "stop": hosting.stop,
            "terminate_child": hosting.terminate_child,
            "recycle": hosting.recycle,
            "hosted": member._hosted,
            "passes": member._root_passes_on,
            **Inside(member, hosting).serves,
            **member._resting.serves,
            **member._mailboxes.asked_by_all,
            "read": member._mailboxes.read,
        },
        {
            "facts": lambda _, facts: member._lookups.hear(Facts(*facts)),
            "forget": lambda _, name: names.unlearn(name),
            "met": member._neighbours.there_is,
            "leaving": lambda _, boot: names.hold_back(boot),
            "watch_is_over": lambda _, ref: member._at_root.over(ref),
            "gone": lambda _, *what: member._letters.part(*what),
            "hold": hosting.hold,
            "refuse_asks": hosting.refuse_asks,
            "close": hosting.close,
            "discard": hosting.discard,
            "settled": lambda _: member._lookups.again(),
            "handed_over": lambda _: member.on_handed_over(),
            "stopping": lambda _: member._mailboxes.stopping(member.on_system_stop),
            "end": lambda _: member.end(""),
            "record": lambda _, *wants: member.records.asked(*wants),
            "tools": lambda _, described: borrow_tools(member, described, member.call_root),
        },
    )
