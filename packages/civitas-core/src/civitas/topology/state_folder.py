"""The state folder of a system: where it is on this machine, who may use it, and what is in it."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.topology.grammar import Topology
from civitas.transport import Place

__all__ = [
    "check_state_folder",
    "folder_of",
    "kept_token",
    "open_state_folder",
    "place_of",
    "socket_of",
    "state_folder",
    "window_of",
    "windows_in",
    "windows_of",
]

logger = logging.getLogger("civitas")

_TOKEN = "token"  # noqa: S105  (a file)
"""The file with the token of the system."""
_LONGEST_PATH = 103
"""Bytes in the path of a socket, on the stricter of the systems we run on."""


def state_folder(name: str, topology: Path) -> Path:
    """The folder of the system `name` that `topology` describes; it need not exist.

    It lies below ``XDG_STATE_HOME`` (``~/.local/state`` if that is not set), so that it outlives the login in which
    the system was started; and below the folder for temporary files if that is somebody else's, or its path too
    long for a socket. Its name is short for the same reason, and carries a digest, as two topologies may share a name.

    Raises:
        ConfigurationError: There is no folder for temporary files.
    """
    digest = hashlib.sha256(f"{_machine()}:".encode() + os.fsencode(topology.resolve())).hexdigest()
    short = f"{name.encode()[:32].decode(errors='ignore')}-{digest[:8]}"
    above = _state_home()
    if above is not None and _holds_a_socket(above / "civitas" / short) and _is_ours(above):
        return above / "civitas" / short
    return _own_temporary_folder() / short


def socket_of(folder: Path) -> Path:
    """The socket in a state folder."""
    return folder / "control.sock"


def folder_of(topology: Topology) -> Path | None:
    """The state folder of the system that a topology describes; None if that is not a file."""
    source = topology.source
    if source.file is None or source.folder is None:
        return None
    return state_folder(topology.name, source.folder / Path(source.file).name)


def window_of(folder: Path, pid: int) -> Path:
    """The socket in a state folder by which one looks into the OS process `pid` of the system."""
    return folder / f"{pid}.sock"


def windows_in(folder: Path) -> list[Path]:
    """Those sockets that are there; the process may be gone."""
    return [each for each in folder.glob("*.sock") if each.stem.isdecimal()]


def open_state_folder(folder: Path) -> None:
    """Make the folder, or check that it is this user's own and nobody else can enter.

    Raises:
        ConfigurationError: It is not, or cannot hold a socket.
    """
    if not _holds_a_socket(folder):
        raise ConfigurationError(
            f"the path of the state folder {folder} is too long for a socket; "
            "set XDG_STATE_HOME to a folder with a shorter path"
        )
    for each in (folder.parent, folder):
        try:
            each.parent.mkdir(parents=True, exist_ok=True)
            each.mkdir(mode=0o700, exist_ok=True)
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
                f"the state folder {each} is not private to this user; remove it, or set its mode to 700"
            )


def _machine() -> str:
    # A home may be shared by many machines, and each runs its own. Not on macOS, where the name comes and goes with
    # the network.
    return "" if sys.platform == "darwin" else os.uname().nodename


def _state_home() -> Path | None:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        return given
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path's own raises where there is none
    return home / ".local" / "state" if home.is_absolute() else None


def _is_ours(folder: Path) -> bool:
    """Whether `folder`, or what is there of its path, is this user's own."""
    # After `su` it is that of somebody else; in a container it may be the root of the file system.
    try:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        found = there.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _holds_a_socket(folder: Path) -> bool:
    return len(os.fsencode(socket_of(folder))) <= _LONGEST_PATH


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"cannot use the state folder {folder}: {error.strerror}. "
        "Set XDG_STATE_HOME to a folder of your own"
    )


def _own_temporary_folder() -> Path:
    try:
        return Path(tempfile.gettempdir()) / f"civitas-{os.getuid()}"
    except FileNotFoundError as error:
        raise ConfigurationError(
            "there is no folder for temporary files; set XDG_STATE_HOME to a folder of your own"
        ) from error


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
    file = place.open() / _TOKEN
    if not file.exists():
        fresh = file.with_name(f"{_TOKEN}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(fresh, file)  # unlike a rename it replaces nothing
        fresh.unlink()
    return file.read_text()
