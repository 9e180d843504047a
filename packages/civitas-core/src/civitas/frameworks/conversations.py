"""What an adapter keeps of a conversation, in the StateStore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas.state import LongRecord

if TYPE_CHECKING:
    from civitas.frameworks.recent import RecentRecords
    from civitas.state import StateStore

__all__ = ["CONVERSATION", "WHOLE_HISTORY", "Record", "forget", "key_of", "last_use"]

WHOLE_HISTORY = "civitas-whole-history"
"""Header of a message whose payload holds all of its conversation, as that of a handoff does."""

CONVERSATION = "civitas:conversation:"
"""What the keys of conversations begin with; the agent's name and the conversation follow."""

# Names of parts of a `LongRecord`.
_HISTORY, _SAVED, _OUTCOME = "history", "saved@", "outcome@"


def key_of(agent: str, conversation: str) -> str:
    """The key under which `agent` keeps what it knows of `conversation`."""
    return f"{CONVERSATION}{agent}/{conversation}"


# What adapters keep beside a conversation, under these and its own key.
_BESIDE = ("civitas:context:", "civitas:begun:")


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
    return gone


async def last_use(store: StateStore, key: str) -> int | None:
    """When the conversation under `key` was written last, in unix seconds; None if nobody knows."""
    return LongRecord.written(await store.get(key))


@dataclass
class Record:
    """What is kept of one conversation. It changes as a whole, when a run has ended well.

    Attributes:
        history: Of the adapter. What is new in it is what is written, if it is a list, or a dict with lists in it.
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
        facts = kept.facts if kept.old is None else kept.old
        message, outcome = facts.get("message"), facts.get("outcome")
        for name, value in kept.values.items():
            if name.startswith(_OUTCOME):
                outcome = value
        return cls(
            facts.get(_HISTORY) if kept.old is not None else _with_lists(kept),
            facts.get("interrupts"),
            next(
                (value for name, value in kept.values.items() if name.startswith(_SAVED)),
                facts.get("saved"),
            ),
            message,
            # What an earlier version kept has no headers.
            (outcome[0], outcome[1], outcome[2] if outcome[2:] else {}) if outcome else None,
            kept,
        )

    async def keep(self, store: StateStore, key: str, recent: RecentRecords | None = None) -> None:
        """Put the record under `key`, in the place of what it was read from.

        Args:
            store: Where.
            key: Its key.
            recent: Takes what is known of the conversation now.

        Raises:
            StateConflict: Somebody else has written the conversation since it was read.
        """
        kept = self.kept or await LongRecord.load(store, key)
        facts: dict[str, Any] = {"interrupts": self.interrupts, "message": self.message}
        lists: dict[str, list[Any]] = {}
        if isinstance(self.history, list):
            lists[_HISTORY] = self.history
        elif isinstance(self.history, dict):
            rest = {}
            for name, value in self.history.items():
                if isinstance(value, list) and isinstance(name, str):
                    lists[f"{_HISTORY}.{name}"] = value
                else:
                    rest[name] = value
            facts[_HISTORY] = rest
        else:
            facts[_HISTORY] = self.history
        values: dict[str, Any] = {}
        # By names that are new each time, as a value of a name that is there is not written again.
        if self.saved is not None:
            values[f"{_SAVED}{kept.stamp}"] = self.saved
        if self.outcome is not None:
            values[f"{_OUTCOME}{kept.stamp}"] = self.outcome
        await kept.save(
            {name: value for name, value in facts.items() if value is not None}, lists, values
        )
        self.kept = kept
        if recent is not None:
            recent.put(kept)


def _with_lists(kept: LongRecord) -> Any:
    """The history, its lists in their places."""
    if _HISTORY in kept.lists:
        return kept.lists[_HISTORY]
    history = kept.facts.get(_HISTORY)
    lists = {
        name.removeprefix(f"{_HISTORY}."): items
        for name, items in kept.lists.items()
        if name.startswith(f"{_HISTORY}.")
    }
    return {**history, **lists} if isinstance(history, dict) else history
