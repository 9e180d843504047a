"""Where a running system is found on this machine: its state folder."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from civitas.errors import ConfigurationError

__all__ = ["check_state_folder", "open_state_folder", "socket_of", "state_folder"]

_LONGEST_PATH = 103
"""Bytes in the path of a socket, on the stricter of the systems we run on."""


def state_folder(name: str, topology: Path) -> Path:
    """The folder of the system `name` that `topology` describes; it need not exist.

    It lies below ``XDG_RUNTIME_DIR`` where that is a folder of this user's, else below the one for temporary files. Its
    name is short, as the path of a socket may have a hundred characters only, and carries a digest, as two topologies
    may share a name.

    Raises:
        ConfigurationError: There is no folder for temporary files.
    """
    digest = hashlib.sha256(os.fsencode(topology.resolve())).hexdigest()[:8]
    above = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(above) / "civitas" if above and _is_ours(above) else _own_temporary_folder()
    short = name.encode()[:32].decode(errors="ignore")
    return base / f"{short}-{digest}"


def socket_of(folder: Path) -> Path:
    """The socket in a state folder."""
    return folder / "control.sock"


def open_state_folder(folder: Path) -> None:
    """Make the folder, or check that it is this user's own and nobody else can enter.

    Raises:
        ConfigurationError: It is not, or cannot hold a socket.
    """
    if len(os.fsencode(socket_of(folder))) > _LONGEST_PATH:
        raise ConfigurationError(
            f"the path of the state folder {folder} is too long for a socket; "
            "give XDG_RUNTIME_DIR a folder with a shorter one"
        )
    for each in (folder.parent, folder):
        try:
            each.mkdir(mode=0o700, parents=each is folder.parent, exist_ok=True)
        except OSError as error:
            raise _unusable(each, error) from error
    check_state_folder(folder)


def check_state_folder(folder: Path) -> None:
    """Check that a folder that is there is this user's own, so that nobody else can stand behind its socket.

    Raises:
        ConfigurationError: It is not.
    """
    for each in (folder.parent, folder):
        try:
            found = each.lstat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(each, error) from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ConfigurationError(
                f"the state folder {each} is not this user's alone; remove it, or give it mode 700"
            )


def _is_ours(folder: str) -> bool:
    # After `su` it is that of somebody else; in a container it may not be there.
    try:
        found = Path(folder).stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot use the state folder {folder}: {error.strerror}. "
        "Give XDG_RUNTIME_DIR a folder of your own"
    )


def _own_temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir()) / f"civitas-{os.getuid()}"
    except FileNotFoundError as error:
        raise ConfigurationError(
            "there is no folder for temporary files; give XDG_RUNTIME_DIR a folder of your own"
        ) from error
