"""Where a running system is found on this machine: its state folder."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from civitas.errors import ConfigurationError

__all__ = ["open_state_folder", "socket_of", "state_folder"]


def state_folder(name: str, topology: Path) -> Path:
    """The folder of the system `name` that `topology` describes; it need not exist.

    It lies below ``XDG_RUNTIME_DIR``, or below the system's folder for temporary files. Its name is short, as the path
    of a socket may have a hundred characters only, and carries a digest, as two topologies may share a name.
    """
    digest = hashlib.sha256(os.fsencode(topology.resolve())).hexdigest()[:8]
    above = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(above) / "civitas" if above else _own_temporary_folder()
    return base / f"{name[:32]}-{digest}"


def socket_of(folder: Path) -> Path:
    """The socket in a state folder."""
    return folder / "control.sock"


def open_state_folder(folder: Path) -> None:
    """Make the folder, or check that it is this user's own and nobody else can enter.

    Raises:
        ConfigurationError: It is not.
    """
    for each in (folder.parent, folder):
        try:
            each.mkdir(mode=0o700, parents=each is folder.parent, exist_ok=True)
            found = each.lstat()
        except OSError as error:
            raise ConfigurationError(
                f"cannot use the state folder {each}: {error.strerror}. Give XDG_RUNTIME_DIR a folder of your own"
            ) from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ConfigurationError(
                f"the state folder {each} is not this user's alone; remove it, or give it mode 700"
            )


def _own_temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"civitas-{os.getuid()}"
