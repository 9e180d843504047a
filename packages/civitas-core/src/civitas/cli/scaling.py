"""`civitas scale`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from civitas.cli.reaching import running_system
from civitas.cli.whoever import whoever

__all__ = ["scale_to"]


def scale_to(topology: Path, name: str, replicas: int) -> None:
    """Let so many OS processes stand behind a name of the running system, and say when they do.

    Raises:
        CivitasError: It is not running, `name` has no replicas in its topology, or one did not start.
    """
    asyncio.run(_scale(topology, name, replicas))
    print(f"{name}: {replicas} {'replica' if replicas == 1 else 'replicas'}")


async def _scale(topology: Path, name: str, replicas: int) -> None:
    async with running_system(topology) as system:
        await system.request("scale", name=name, replicas=replicas, by=whoever("scale"))
