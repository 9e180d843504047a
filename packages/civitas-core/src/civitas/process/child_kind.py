"""What kinds of children a supervisor has, as `runtime.tree()` shows them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ChildKind"]


class ChildKind(StrEnum):
    """What a child of a supervisor is."""

    AGENT = "agent"
    """A process that handles messages; a conversation of a pool is one, too."""
    SUPERVISOR = "supervisor"
    """A `Supervisor`: its children stand in its spec, in an order."""
    DYNAMIC_SUPERVISOR = "dynamic_supervisor"
    """A `DynamicSupervisor`: its children come and go."""
    CONVERSATION_POOL = "conversation_pool"
    """A `ConversationPool`: its children are conversations."""
