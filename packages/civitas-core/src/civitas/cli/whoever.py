"""Who types a command, for the log and the events of the system that it acts on."""

from __future__ import annotations

import os
import platform
import pwd
from contextlib import suppress

__all__ = ["whoever"]


def whoever(command: str) -> str:
    """The user of this process, its machine and the command, such as `alice@desk (civitas restart)`.

    The user is the operating system's, not what the environment says.
    """
    uid = os.getuid()
    user = f"uid {uid}"
    with suppress(KeyError):  # a container may have no entry for it
        user = pwd.getpwuid(uid).pw_name
    return f"{user}@{platform.node()} (civitas {command})"
