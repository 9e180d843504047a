"""What a checkpoint is rebuilt from: a delta channel is kept as what was written to it since its last snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

__all__ = ["KeptCheckpoint", "in_order", "lineage", "rebuilt", "with_ancestors"]


class KeptCheckpoint(TypedDict):
    """One checkpoint, as it is stored; type and bytes are the serializer's."""

    checkpoint: Sequence[Any]
    metadata: Sequence[Any]
    run_id: str | None
    parent: str | None
    writes: list[list[Any]]
    """For each: task id, place among the task's writes, channel, type, bytes, path of the task."""
    rebuilt: NotRequired[list[str]]
    """The channels that have no value of their own, see `rebuilt`."""


Rebuilt = Callable[[KeptCheckpoint], Collection[str]]


def rebuilt(checkpoint: Checkpoint, metadata: Mapping[str, Any]) -> list[str]:
    """The channels whose value is not in `checkpoint`, as it is rebuilt from the writes of its ancestors."""
    counted: Mapping[str, Any] = metadata.get("counters_since_delta_snapshot") or {}
    versions, values = checkpoint["channel_versions"], checkpoint["channel_values"]
    return [each for each in counted if each in versions and each not in values]


def lineage(
    kept: Mapping[str, KeptCheckpoint], id: str, channels: Collection[str], rebuilt: Rebuilt
) -> Iterator[tuple[str, set[str]]]:
    """The ancestors from which `channels` are rebuilt at the checkpoint `id`, the nearest first.

    Yields:
        The id of each, and those of `channels` that its writes belong to. The last one of a channel is that which has
        its value, or from which it was written first.
    """
    open_, parent = set(channels), kept[id]["parent"]
    while open_ and parent is not None and parent in kept:
        yield parent, open_
        open_ = open_ & set(rebuilt(kept[parent]))
        parent = kept[parent]["parent"]


def with_ancestors(
    kept: Mapping[str, KeptCheckpoint], ids: Collection[str], rebuilt: Rebuilt
) -> dict[str, KeptCheckpoint]:
    """Of `kept`, the checkpoints `ids`, and of their ancestors what they are rebuilt from."""
    needed: dict[str, set[str]] = {}
    for id in ids:
        for ancestor, channels in lineage(kept, id, rebuilt(kept[id]), rebuilt):
            needed.setdefault(ancestor, set()).update(channels)
    left: dict[str, KeptCheckpoint] = {}
    for id, each in kept.items():
        if id in ids:
            left[id] = each
        elif id in needed:
            writes = [write for write in each["writes"] if write[2] in needed[id]]
            left[id] = {**each, "writes": writes}
    return left


def in_order(writes: Sequence[list[Any]]) -> list[list[Any]]:
    """`writes` in the order in which a run applied them."""
    return sorted(writes, key=lambda write: (write[5], write[0], write[1]))
