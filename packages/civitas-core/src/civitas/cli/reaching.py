"""From a topology to its running system."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from civitas.cli.failures import Refused
from civitas.control import ControlClient, NotRunning, state_folder
from civitas.topology import load_part

__all__ = ["running_system"]


@asynccontextmanager
async def running_system(topology: Path) -> AsyncIterator[ControlClient]:
    """The running system of a topology; only the name is read from the file.

    Raises:
        Refused: It is not running here.
    """
    name = load_part(topology, "name").name
    client = ControlClient(name, state_folder(name, topology))
    try:
        await client.__aenter__()
    except NotRunning as error:
        if error.pid is not None:
            raise
        start = f"civitas run {shlex.quote(str(topology))}"
        raise Refused(f"system {name!r} is not running here; start it with `{start}`") from None
    try:
        yield client
    finally:
        await client.__aexit__(None, None, None)
