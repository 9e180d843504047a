"""The place where the processes of a system on this machine meet: its state folder."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from civitas.topology.grammar import Topology
from civitas.topology.place import open_state_folder, state_folder
from civitas.transport import Place

__all__ = ["kept_token", "place_of"]

_FILE = "token"


@dataclass(frozen=True, slots=True)
class _StateFolder:
    """The state folder of the system `name` that the topology `file` describes."""

    name: str
    file: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return state_folder(self.name, self.file)

    def open(self) -> Path:
        """Make it, or check that it is private to this user."""
        open_state_folder(self.path)
        return self.path


def place_of(topology: Topology) -> Place | None:
    """The place of a system; None for a topology that is not a file."""
    file = topology.source.file
    return None if file is None else _StateFolder(topology.name, Path(file))


def kept_token(place: Place) -> str:
    """The token of a system that is kept in its place, made by whichever process comes first.

    Raises:
        ConfigurationError: The place is not private to this user.
    """
    file = place.open() / _FILE
    if not file.exists():
        fresh = file.with_name(f"{_FILE}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(fresh, file)  # unlike a rename it replaces nothing
        fresh.unlink()
    return file.read_text()
