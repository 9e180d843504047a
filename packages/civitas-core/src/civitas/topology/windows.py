"""Where the processes of a system have their windows."""

from __future__ import annotations

import logging
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.topology.grammar import Topology
from civitas.topology.place import check_state_folder, folder_of

__all__ = ["windows_of"]

logger = logging.getLogger("civitas")


def windows_of(topology: Topology) -> Path | None:
    """The folder for the windows of this system's processes; None if there is none, as no command runs the system."""
    folder = folder_of(topology)
    if folder is None or not folder.is_dir():
        return None
    try:
        check_state_folder(folder)
    except ConfigurationError as error:  # everything else works without
        logger.warning(
            "nobody can look into this process while its event loop is blocked: %s", error
        )
        return None
    return folder
