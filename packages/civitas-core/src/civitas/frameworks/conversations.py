"""What an adapter keeps of a conversation, in the StateStore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas.frameworks.apart import apart, together
from civitas.process.suspended import ASKED_FOR_MORE, SUSPENDED
from civitas.state import LongRecord
from civitas.state.heads import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from civitas.frameworks.recent import RecentRecords
    from civitas.state import StateStore

__all__ = [
    "BEGUN",
    "CONVERSATION",
    "NOTE",
    "WHOLE_HISTORY",
    "Record",
    "forget",
    "key_of",
    "last_use",
]

WHOLE_HISTORY = "civitas-whole-history"
"""Header of a message whose payload holds all of its conversation, as that of a handoff does."""

CONVERSATION = "civitas:conversation:"
"""What the keys of conversations begin with; the agent's name and the conversation follow."""


def key_of(agent: str, conversation: str) -> str:
    """The key under which `agent` keeps what it knows of `conversation`."""
    return f"{CONVERSATION}{agent}/{conversation}"


NOTE = "civitas:begun:"
"""What the keys of notes begin with that are beside a conversation in a checkpointer of the user's; its own follows."""

BEGUN = "begun:"
"""What the name of a value begins with that says of a thread, kept here, what the run began with that asks a human."""

# What adapters keep beside a conversation, under these and its own key.
_BESIDE = ("civitas:context:", NOTE)


async def forget(store: StateStore, key: str, *, unused_since: float | None = None) -> bool:
    """Forget the conversation under `key`, with its pieces and what adapters keep beside it.

    Args:
        store: Where it is kept.
        key: Its key.
        unused_since: Only if nobody has written it since then, in unix seconds.

    Returns:
        Whether it was there, and is not any more.

    Raises:
        StateConflict: Somebody writes it at this moment.
    """
    gone = await LongRecord.forget(store, key, unused_since=unused_since)
    if gone or unused_since is None:
        for prefix in _BESIDE:
            await store.delete(prefix + key)
        for prefix in (SUSPENDED, ASKED_FOR_MORE):
            await store.delete(prefix + key.removeprefix(CONVERSATION))
    return gone


async def last_use(store: StateStore, key: str) -> int | None:
    """When the conversation under `key` was written last, in unix seconds; None if nobody knows."""
    return written(await store.get(key))


@dataclass
class Record:
    """What is kept of one conversation. It changes as a whole, when a run has ended well.

    What is new in it is what is written: of a long list, in dicts or not, what was added to it; of a long text or
    dict, nothing if it is as it was.

    Attributes:
        history: Of the adapter.
        interrupts: The open questions, each with its `id` and its `value`.
        saved: From what the interrupted run goes on.
        begun: What the interrupted run began with; see `Run.begun`.
        answered: Of an answered run that failed behind its answers: its `questions`, and the `answers` by their ids.
        message: Id of the message whose run ended last.
        spent: What that has used and paid, as `Progress.spent` tells it.
        outcome: The type, the payload and the headers of the reply to that.
    """

    history: Any = None
    interrupts: list[dict[str, Any]] | None = None
    saved: Any = None
    begun: dict[str, Any] | None = None
    answered: dict[str, Any] | None = None
    message: str | None = None
    spent: dict[str, Any] | None = None
    outcome: tuple[str, Any, dict[str, str]] | None = None
    kept: LongRecord | None = field(default=None, repr=False, compare=False)
    """What it was read from, and is to replace."""

    @classmethod
    async def load(cls, store: StateStore, key: str, recent: RecentRecords | None = None) -> Record:
        """The record under `key`; an empty one if there is none.

        Args:
            store: Where it is kept.
            key: Its key.
            recent: Takes from it what is known of the conversation, so that it need not be read again.
        """
        kept = await LongRecord.load(
            store, key, known=recent.take(key) if recent is not None else None
        )
        return cls.read(kept)

    @classmethod
    def read(cls, kept: LongRecord) -> Record:
        """The record that `kept` holds."""
        found = kept.old
        if found is None:
            parts = {**kept.facts, **kept.lists}
            found = {name: together(name, parts) for name in kept.facts}
        outcome = found.get("outcome")
        return cls(
            found.get("history"),
            found.get("interrupts"),
            found.get("saved"),
            found.get("begun"),
            found.get("answered"),
            found.get("message"),
            found.get("spent"),
            # What an earlier version kept has no headers.
            (outcome[0], outcome[1], outcome[2] if outcome[2:] else {}) if outcome else None,
            kept,
        )

    async def keep(
        self,
        store: StateStore,
        key: str,
        recent: RecentRecords | None = None,
        *,
        gone: Sequence[str] = (),
    ) -> None:
        """Put the record under `key`, in the place of what it was read from.

        Args:
            store: Where.
            key: Its key.
            recent: Takes what is known of the conversation now.
            gone: Keys of what nobody needs when this is kept.

        Raises:
            StateConflict: Somebody else has written the conversation since it was read.
        """
        kept = self.kept or await LongRecord.load(store, key)
        facts: dict[str, Any] = {}
        lists: dict[str, list[Any]] = {}
        for name in (
            "history",
            "interrupts",
            "saved",
            "begun",
            "answered",
            "message",
            "spent",
            "outcome",
        ):
            value = getattr(self, name)
            if value is not None:
                parts = apart(name, list(value) if name == "outcome" else value)
                facts[name] = parts.pop(name)
                lists |= parts
        await kept.save(facts, lists, gone=gone)
        self.kept = kept
        if recent is not None:
            recent.put(kept)
