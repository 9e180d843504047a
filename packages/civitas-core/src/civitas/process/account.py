"""What an agent has done so far, for whoever looks from outside."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Account"]


@dataclass(frozen=True, slots=True)
class Account:
    """What an agent, or the conversations of a pool that are awake, have done in one process.

    Attributes:
        name: Of the agent or the pool.
        kind: ``agent`` or ``conversation_pool``.
        status: As in the tree.
        handled: How many messages it has taken from its mailbox, each again that is delivered again.
        failed: How many of them the agent gave up, or crashed on.
        last_error: Class name of the last error; empty if there was none.
        waiting: How many messages wait.
        awake: How many conversations are awake; 1 for an agent.
    """

    name: str
    kind: str
    status: str
    handled: int
    failed: int
    last_error: str
    waiting: int
    awake: int = 1
