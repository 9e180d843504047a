"""A thread as people read it, from what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.graph.message import add_messages

from civitas_langgraph._deltas import lineage
from civitas_langgraph._payload import flat_message, plain_or_text
from civitas_langgraph._thread import Thread

if TYPE_CHECKING:
    from civitas.state import LongRecord

__all__ = ["shown"]


def shown(kept: LongRecord) -> list[dict[str, Any]]:
    """Its messages, those of all its lists; the other values of its state before them."""
    # The strict form: nothing of the user's is imported.
    thread = Thread(JsonPlusSerializer(allowed_msgpack_modules=None), kept)
    space = thread.spaces.get("", {})
    if not space:
        return []
    newest = max(space)
    state = {**_rebuilt(thread, newest), **thread.values(space[newest])}
    messages: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, list) and value and all(isinstance(m, BaseMessage) for m in value):
            messages += map(flat_message, value)
        elif not name.startswith(("__", "branch:")):
            rest[name] = plain_or_text(value)
    return [*([{"role": "state", "content": rest}] if rest else ()), *messages]


def _rebuilt(thread: Thread, id: str) -> dict[str, Any]:
    """The messages that channels are rebuilt from; the reducers of others are not at hand."""
    space, loads = thread.spaces[""], thread.serde.loads_typed
    found: dict[str, Any] = {}
    for name in space[id].rebuilt:
        ancestors = [ancestor for ancestor, _ in lineage(space, id, {name})]
        seed = thread.values(space[ancestors[-1]]).get(name) if ancestors else None
        messages = list(seed.value if isinstance(seed, _DeltaSnapshot) else seed or ())
        written = [
            write.held.read(loads)
            for ancestor in reversed(ancestors)
            for write in space[ancestor].writes()
            if write.channel == name
        ]
        parts = [
            each for write in written for each in (write if isinstance(write, list) else [write])
        ]
        if all(isinstance(each, BaseMessage) for each in [*messages, *parts]):
            found[name] = add_messages(messages, parts)
    return found
