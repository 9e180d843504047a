"""What a checkpoint is rebuilt from: a delta channel is kept as what was written to it since its last snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

    from civitas_langgraph._checkpoints import KeptCheckpoint

__all__ = ["lineage", "rebuilt", "with_ancestors"]


def rebuilt(checkpoint: Checkpoint, metadata: Mapping[str, Any]) -> list[str]:
    """The channels whose value is not in `checkpoint`, as it is rebuilt from the writes of its ancestors."""
    counted: Mapping[str, Any] = metadata.get("counters_since_delta_snapshot") or {}
    versions, values = checkpoint["channel_versions"], checkpoint["channel_values"]
    return [each for each in counted if each in versions and each not in values]


def lineage(
    kept: Mapping[str, KeptCheckpoint], id: str, channels: Collection[str]
) -> Iterator[tuple[str, set[str]]]:
    """The ancestors from which `channels` are rebuilt at the checkpoint `id`, the nearest first.

    Yields:
        The id of each, and those of `channels` that its writes belong to. The last one of a channel is that which has
        its value, or from which it was written first.
    """
    open_, parent = set(channels), kept[id].parent
    while open_ and parent is not None and parent in kept:
        yield parent, open_
        open_ = open_ & set(kept[parent].rebuilt)
        parent = kept[parent].parent


def with_ancestors(
    kept: Mapping[str, KeptCheckpoint], ids: Collection[str]
) -> dict[str, KeptCheckpoint]:
    """Of `kept`, the checkpoints `ids`, and of their ancestors what they are rebuilt from."""
    needed: dict[str, set[str]] = {}
    for id in ids:
        for ancestor, channels in lineage(kept, id, kept[id].rebuilt):
            needed.setdefault(ancestor, set()).update(channels)
    return {
        id: each if id in ids else _only(each, needed[id])
        for id, each in kept.items()
        if id in ids or id in needed
    }


def _only(checkpoint: KeptCheckpoint, channels: Collection[str]) -> KeptCheckpoint:
    """What a checkpoint has of these channels; itself if that is all."""
    values = {name: each for name, each in checkpoint.values.items() if name in channels}
    live = checkpoint.live and {n: each for n, each in checkpoint.live.items() if n in channels}
    calls = [each.only(channels) for each in checkpoint.calls]
    calls = [each for each in calls if each.writes]
    has_all = len(values) == len(checkpoint.values) and calls == checkpoint.calls
    if has_all and len(live or ()) == len(checkpoint.live or ()):
        return checkpoint
    return replace(checkpoint, values=values, live=live, calls=calls, record=None)
