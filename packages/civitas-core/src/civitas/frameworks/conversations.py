"""What an adapter keeps of a conversation, in the StateStore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas.state import StateStore

__all__ = ["CONVERSATION", "WHOLE_HISTORY", "Record", "key_of"]

WHOLE_HISTORY = "civitas-whole-history"
"""Header of a message whose payload holds all of its conversation, as that of a handoff does."""

CONVERSATION = "civitas:conversation:"
"""What the keys of conversations begin with; the agent's name and the conversation follow."""


def key_of(agent: str, conversation: str) -> str:
    """The key under which `agent` keeps what it knows of `conversation`."""
    return f"{CONVERSATION}{agent}/{conversation}"


@dataclass
class Record:
    """What is kept of one conversation. It changes as a whole, when a run has ended well.

    Attributes:
        history: Of the adapter.
        interrupts: The open questions, each with its `id` and its `value`.
        saved: From what the interrupted run goes on.
        message: Id of the message whose run ended last.
        outcome: The type, the payload and the headers of the reply to that.
    """

    history: Any = None
    interrupts: list[dict[str, Any]] | None = None
    saved: Any = None
    message: str | None = None
    outcome: tuple[str, Any, dict[str, str]] | None = None

    @classmethod
    async def load(cls, store: StateStore, key: str) -> Record:
        """The record under `key`; an empty one if there is none."""
        kept = await store.get(key)
        if kept is None:
            return cls()
        outcome = kept.get("outcome")
        return cls(
            kept.get("history"),
            kept.get("interrupts"),
            kept.get("saved"),
            kept.get("message"),
            # What an earlier version kept has no headers.
            (outcome[0], outcome[1], outcome[2] if outcome[2:] else {}) if outcome else None,
        )

    async def keep(self, store: StateStore, key: str) -> None:
        """Put the record under `key`, in one write."""
        facts = {name: value for name, value in vars(self).items() if value is not None}
        await store.set(key, facts)
