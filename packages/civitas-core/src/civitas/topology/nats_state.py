"""A state store on NATS: reached as the transport is, if nothing else is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from civitas.brokers.nats import OPTIONS
from civitas.topology.grammar import ProvidedEntry, Topology

__all__ = ["state_entry"]

_PREFIX = "civitas"
"""That of a transport which says none, and so of the state: one line moves a system to NATS, and its state stays."""
_FILES = ("nkey", "credentials")


def state_entry(topology: Topology) -> ProvidedEntry | None:
    """What a topology says of its state store, with what a store on NATS takes over from the transport.

    Returns:
        The entry; of a store on NATS with paths that are relative to the topology's folder. None if there is none.
    """
    entry, transport = topology.state, topology.transport
    if entry is None or entry.type != "nats_kv":
        return entry
    given = dict(entry.further)
    if transport.type == "nats":
        said = transport.further
        if not any(key in given for key in OPTIONS):
            given |= {key: said[key] for key in OPTIONS if key in said}
        given.setdefault("prefix", said.get("prefix", _PREFIX))
    given.setdefault("prefix", _PREFIX)
    folder = topology.source.folder
    if folder is not None:
        given |= _beside(folder, {key: given[key] for key in _FILES if key in given})
        if isinstance(tls := given.get("tls"), Mapping):
            given["tls"] = {**tls, **_beside(folder, tls)}
    return replace(entry, further=given)


def _beside(folder: Path, files: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: str(folder / Path(value).expanduser())
        for key, value in files.items()
        if isinstance(value, str) and value
    }
