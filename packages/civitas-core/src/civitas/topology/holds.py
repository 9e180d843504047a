"""What a system holds while it runs, so that no other does the same work beside it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.launch import Hold
from civitas.state import SQLiteStateStore, StateStore
from civitas.topology.grammar import Topology
from civitas.topology.processes import processes_of
from civitas.topology.state_folder import open_state_folder, state_folder

__all__ = ["holds_of", "lock_beside"]


def holds_of(topology: Topology, store: StateStore | None) -> list[Hold]:
    """What the root of `topology` and the processes it starts hold together.

    Args:
        topology: Of the system.
        store: The state store that was made of the topology; None if it was given in Python, or there is none.
    """
    holds = []
    file = topology.source.file
    if file is not None and any(each.start for each in processes_of(topology).values()):
        # Two systems of a topology that keeps nothing may run beside each other, as tests do.
        with suppress(ConfigurationError):
            folder = state_folder(topology.name, Path(file))
            what = f"system {topology.name!r} is already running"
            make = partial(open_state_folder, folder)
            holds.append(Hold(folder / "processes.lock", what, alone=False, make_folder=make))
    if isinstance(store, SQLiteStateStore):
        path = store.path.resolve()
        what = f"system {topology.name!r} is already running with the state store {path}"
        holds.append(Hold(lock_beside(path, topology.name), what, alone=True))
    return holds


def lock_beside(path: Path, system: str) -> Path:
    """What a system holds while it runs, beside the SQLite file with its state."""
    return path.with_name(f"{path.name}-{system}.lock")
