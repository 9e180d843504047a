"""What tells that a version of a program is about to take over from the one that runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.topology.state_folder import open_state_folder

__all__ = ["PASSING", "PASS_ON", "is_passing", "passing_on", "taking_over"]

PASS_ON = "pass_on"  # noqa: S105  (a request)
"""The request that another version sends when it is ready to start."""

PASSING = "passing"
"""In the place of an answer: another version takes over, and is to be asked."""

_MARK = "takeover"


@contextmanager
def taking_over(folder: Path) -> Iterator[None]:
    """While this program takes over: whoever finds the system in no program's hands waits for it.

    Args:
        folder: The state folder of the system.

    Raises:
        ConfigurationError: Another program is about to do so.
    """
    open_state_folder(folder)
    if is_passing(folder):
        raise ConfigurationError("another version is taking over at this moment; try again later")
    mark = folder / _MARK
    mark.write_text(str(os.getpid()))
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            mark.unlink()


@contextmanager
def passing_on(folder: Path) -> Iterator[None]:
    """While this program passes on what it does to one that may be elsewhere: whoever finds no socket waits.

    Args:
        folder: The state folder of the system.
    """
    mark, own = folder / _MARK, str(os.getpid())
    with suppress(OSError):
        mark.write_text(own)
    try:
        yield
    finally:
        with suppress(OSError):
            if mark.read_text() == own:
                mark.unlink()


def is_passing(folder: Path) -> bool:
    """Whether a program is about to take over the system of this state folder."""
    try:
        os.kill(int((folder / _MARK).read_text()), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return True
