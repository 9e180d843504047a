"""What runs in a state store began with, for whoever looks at them from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from civitas.frameworks.changed_code import SHAPE
from civitas.frameworks.conversations import BEGUN, NOTE, Record, key_of
from civitas.frameworks.shapes import Part, read_parts
from civitas.process.steps import STEPS
from civitas.process.suspended import Suspended, suspended_key
from civitas.state import LongRecord

if TYPE_CHECKING:
    from civitas.state import StateStore

__all__ = ["of_messages", "of_question"]


async def of_messages(store: StateStore) -> dict[str, list[Part]]:
    """What the runs began with that are under way, by the ids of their messages.

    One that has recorded nothing is not among them: it begins with whatever runs then.
    """
    keys: Sequence[str] = await getattr(store, "keys")(STEPS)  # noqa: B009
    found: dict[str, list[Part]] = {}
    for key in keys:
        if key.endswith(f"/{SHAPE}") and (kept := await store.get(key)) is not None:
            found[key.removesuffix(f"/{SHAPE}").rpartition("/")[2]] = read_parts(kept["parts"])
    return found


async def of_question(store: StateStore, agent: str, conversation: str) -> list[Part] | None:
    """What the run began with that waits for a human in a conversation of `agent`; None if nobody knows."""
    key = key_of(agent, conversation)
    kept = await LongRecord.load(store, key)
    begun: Mapping[str, Any] | None = next(
        (each for name, each in kept.values.items() if name.startswith(BEGUN)), None
    )
    if begun is None:
        begun = Record.read(kept).begun
    if begun is None:
        asked = (await store.get(NOTE + key) or {}).get("asked")
        begun = asked["begun"] if asked else None
    suspended = await Suspended.load(store, suspended_key(agent, conversation), agent)
    if begun is None and suspended is not None:  # it asks about a call, and its steps are there
        begun = await store.get(f"{STEPS}{suspended.owner}/{suspended.message.id}/{SHAPE}")
    return read_parts(begun["parts"]) if begun is not None else None
