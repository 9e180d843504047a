"""Threads as they were kept first: all of one under its key, each checkpoint with the values of its channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from civitas_langgraph._checkpoints import HeldValue, KeptCheckpoint, TaskWrites, Write
from civitas_langgraph._deltas import rebuilt
from civitas_langgraph._packed import pack

if TYPE_CHECKING:
    from civitas_langgraph._items import Loads

__all__ = ["read_first_format"]


def read_first_format(
    record: Mapping[str, Any], loads: Loads
) -> dict[str, dict[str, KeptCheckpoint]]:
    """The checkpoints of a thread, by namespace and id; what of them is kept again is kept in pieces."""
    return {
        ns: {id: _checkpoint(f"{ns}:{id}", each, loads) for id, each in space.items()}
        for ns, space in record.items()
    }


def _checkpoint(name: str, kept: Mapping[str, Any], loads: Loads) -> KeptCheckpoint:
    body = loads(tuple(kept["checkpoint"]))
    metadata = loads(tuple(kept["metadata"]))
    writes = [
        Write(task, place, channel, HeldValue(stored=pack((kind, raw))), path)
        for task, place, channel, kind, raw, path in kept["writes"]
    ]
    return KeptCheckpoint(
        HeldValue({key: value for key, value in body.items() if key != "channel_values"}),
        HeldValue(metadata),
        kept["run_id"],
        kept["parent"],
        rebuilt(body, metadata),
        live=body["channel_values"],
        calls=[TaskWrites(name, writes)] if writes else [],
    )
