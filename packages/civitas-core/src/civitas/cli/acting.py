"""`civitas restart`, `stop`, `start`, `pause` and `resume`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from civitas.cli.failures import Refused
from civitas.cli.reaching import running_system
from civitas.cli.whoever import whoever
from civitas.control.client import RemoteError

__all__ = ["DONE", "act_on"]

DONE = {
    "restart": "restarted",
    "stop": "stopped",
    "start": "started",
    "pause": "paused",
    "resume": "resumed",
}
"""What may be done to an agent or supervisor, and the word for it when it has been."""


def act_on(topology: Path, action: str, name: str) -> None:
    """Do something to an agent or supervisor of the running system, and say when it is done.

    Args:
        topology: The topology.
        action: One of `DONE`.
        name: Of the agent or supervisor.

    Raises:
        CivitasError: The system does not run, or refused.
    """
    asyncio.run(_act(topology, action, name))
    print(f"{name}: {DONE[action]}")


async def _act(topology: Path, action: str, name: str) -> None:
    async with running_system(topology) as system:
        try:
            await system.request(action, name=name, by=whoever(action))
        except RemoteError as error:
            raise Refused(str(error)) from error
