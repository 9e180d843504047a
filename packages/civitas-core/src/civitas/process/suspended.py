"""`Suspended`: a run that waits for what a human says of its calls, in the state store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from civitas.message import Message, dumps, loads
from civitas.state.in_order import read_many
from civitas.state.patience import saved_under

if TYPE_CHECKING:
    from civitas.state import StateStore

__all__ = ["ASKED_FOR_MORE", "SUSPENDED", "Suspended", "suspended_ids", "suspended_key"]

SUSPENDED = "civitas:suspended:"
"""What the keys of suspended runs begin with; the agent's name and the conversation follow."""

ASKED_FOR_MORE = f"{SUSPENDED}/budget/"
"""What the keys of those begin with whose budget is used up; the agent's name and the conversation follow."""


def suspended_key(agent: str, conversation: str) -> str:
    """Where the suspended run of a conversation is kept."""
    return f"{SUSPENDED}{agent}/{conversation}"


@dataclass(slots=True)
class Suspended:
    """A run that was answered with questions about its calls, and goes on when they are answered.

    Attributes:
        key: Where it is kept.
        message: That the run began with.
        owner: Under whose name its steps are recorded.
        answered: By the id of each question that was answered, the id of the message that did.
        over: The id of the message with whose end the run ends; empty while it goes on. It is noted before anybody
            hears of the end, as a kill may come between that and the moment in which this is dropped.
    """

    key: str
    message: Message
    owner: str
    answered: dict[str, str] = field(default_factory=dict)
    over: str = ""

    @classmethod
    async def load(cls, store: StateStore, key: str, agent: str) -> Self | None:
        """What is kept under `key`."""
        found = await saved_under(store, key, agent)
        if found is None:
            return None
        over = found.get("over", "")
        return cls(key, loads(found["message"]), found["owner"], dict(found["answered"]), over)

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        told = {"message": dumps(self.message), "owner": self.owner, "answered": self.answered}
        return {**told, "over": self.over} if self.over else told


async def suspended_ids(store: StateStore, unfinished: Collection[str]) -> Collection[str]:
    """The ids of the messages whose runs are suspended; none if the store cannot list.

    Args:
        store: The store.
        unfinished: The ids of the messages that did not end.
    """
    list_keys = getattr(store, "keys", None)
    keys = await list_keys(SUSPENDED) if list_keys is not None else []
    found: Mapping[str, Mapping[str, Any]] = await read_many(store, keys) if keys else {}
    return {
        loads(each["message"]).id
        for each in found.values()
        if not each.get("over") or each["over"] in unfinished
    }
