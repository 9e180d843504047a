"""Several OS processes as one system: who is there, what travels between them, and who watches whom.

The root node runs the supervision tree and starts the others; a member hosts agents. Messages go from any node to any
other directly. A supervisor does not know where its child runs: start, stop and exit are messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas.cluster.child import RemoteChild
from civitas.cluster.remote_pool import RemoteConversation
from civitas.node import Node
from civitas.transport.presence import show

if TYPE_CHECKING:
    from civitas.cluster.durable.broker import Broker
    from civitas.cluster.next_root_client import NextRootClient
    from civitas.launch import Hold, ProcessOptions
    from civitas.message import Serializer
    from civitas.transport.contract import Transport

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
        broker: What keeps messages; None if nothing does.
        next_root: Asks the next root for the answers to what was asked at this one; None if there may be none.
    """

    options: Mapping[str, ProcessOptions]
    transport: Transport
    serializer: Serializer
    boot_data: Mapping[str, Any] = field(repr=False)
    token: str = field(repr=False)
    holds: Sequence[Hold] = ()
    broker: Broker | None = None
    next_root: NextRootClient | None = None


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
        broker=processes.broker,
        next_root=processes.next_root,
        **parts,
    )
    show(root, processes.transport)
    return root
