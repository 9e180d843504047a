"""Several OS processes as one system: who is there, what travels between them, and who watches whom.

The root node runs the supervision tree and starts the others; a member hosts agents. Messages go from any node to any
other directly. A supervisor does not know where its child runs: start, stop and exit are messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas.cluster.child import RemoteChild
from civitas.cluster.remote_pool import RemoteConversation
from civitas.node import Node
from civitas.transport.presence import show

if TYPE_CHECKING:
    from civitas.cluster.durable.granting import Wanted
    from civitas.launch import Hold, ProcessOptions
    from civitas.message import Serializer
    from civitas.transport.contract import Transport
    from civitas.transport.mailboxes import Mailboxes, MailboxKeeper

__all__ = ["Processes", "RemoteChild", "RemoteConversation", "make_root"]


@dataclass(frozen=True, slots=True)
class Processes:
    """The OS processes of a system beside the root.

    Attributes:
        options: How to start each, by name.
        transport: Carries the frames of the root.
        serializer: The format of messages between them.
        boot_data: What each is told when it starts.
        token: Of the system: who has it may join.
        holds: What they and the root hold together.
        mailboxes: Makes the mailboxes of the broker as the root uses them, not open; None if none are kept there.
        keeper: What the root does with them; likewise.
        kept: The agents whose messages are kept there, as far as the topology says so; likewise.
        all_are_kept: Whether those of every agent are.
    """

    options: Mapping[str, ProcessOptions]
    transport: Transport
    serializer: Serializer
    boot_data: Mapping[str, Any] = field(repr=False)
    token: str = field(repr=False)
    holds: Sequence[Hold] = ()
    mailboxes: Callable[[], Mailboxes] | None = None
    keeper: MailboxKeeper | None = None
    kept: Mapping[str, Wanted] = field(default_factory=dict)
    all_are_kept: bool = False


def make_root(processes: Processes | None, **parts: Any) -> Node:
    """The root node of a system, of one OS process or of several.

    Args:
        processes: The others; None if there is none.
        **parts: Of `Node`.
    """
    if processes is None:
        return Node("root", **parts)
    # Imported here: a system of one OS process does without.
    from civitas.cluster.root import RootNode

    root = RootNode(
        processes=processes.options,
        boot_data=processes.boot_data,
        holds=processes.holds,
        transport=processes.transport,
        serializer=processes.serializer,
        token=processes.token,
        mailboxes=processes.mailboxes,
        keeper=processes.keeper,
        kept=processes.kept,
        all_are_kept=processes.all_are_kept,
        **parts,
    )
    show(root, processes.transport)
    return root
