"""`civitas restart`, `stop`, `start`, `pause` and `resume`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from civitas.cli.failures import Refused
from civitas.cli.reaching import acting_user, running_system
from civitas.control.client import RemoteError

__all__ = ["DONE", "act_on", "scale_to"]

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
            await system.request(action, name=name, by=acting_user(action))
        except RemoteError as error:
            raise Refused(str(error)) from error


def scale_to(topology: Path, name: str, replicas: int) -> None:
    """Let so many OS processes stand behind a name of the running system, and say when they do.

    Raises:
        CivitasError: It is not running, `name` has no replicas in its topology, or one did not start.
    """
    asyncio.run(_scale(topology, name, replicas))
    print(f"{name}: {replicas} {'replica' if replicas == 1 else 'replicas'}")


async def _scale(topology: Path, name: str, replicas: int) -> None:
    async with running_system(topology) as system:
        await system.request("scale", name=name, replicas=replicas, by=acting_user("scale"))
