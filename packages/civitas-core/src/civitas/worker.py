"""A worker: the program of an OS process that hosts agents of a topology. `civitas run` starts it by itself."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from civitas.cluster.member import MemberNode
from civitas.cluster.remote_store import RemoteStore
from civitas.errors import CivitasError
from civitas.launch import HangWatchdog, Lifeline, read_boot
from civitas.plugins import PluginManager
from civitas.telemetry.setup import setup_from_environment
from civitas.telemetry.tracing import Tracing
from civitas.topology.links import transport_beside
from civitas.topology.members import AgentMaker, make_parts

__all__ = ["main", "work"]

logger = logging.getLogger("civitas")


def main() -> None:
    """Run as what the root started."""
    boot, pipe = read_boot()
    sys.path[:0] = [each for each in boot["path"] if each not in sys.path]
    logging.basicConfig(
        level=boot["log_level"], format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(work(boot, pipe))
    except CivitasError as error:
        sys.exit(f"error: {error}")


async def work(boot: Mapping[str, Any], pipe: int | None = None) -> None:
    """Host agents until the root says that it is over, or is gone.

    Args:
        boot: What `RootNode` tells its processes.
        pipe: The lifeline of a process that the root started.

    Raises:
        ConfigurationError: The root refused this process, or is not there.
    """
    watchdog = HangWatchdog(boot["hang_timeout"])
    plugins = PluginManager()
    plugins.load()
    maker = AgentMaker(boot["topology"], boot["agent_classes"], plugins, watchdog)
    tracing = Tracing()
    parts, store = make_parts(maker.topology, plugins, tracing, boot["root_has"])
    node = MemberNode(
        boot["name"],
        root=boot["root"],
        token=boot["token"],
        make=maker,
        in_hand=Path(boot["in_hand"]) if boot["in_hand"] else None,
        transport=transport_beside(maker.topology, boot["root"]),
        serializer=maker.topology.serializer,
        tracing=tracing,
        **parts,
    )
    if isinstance(store, RemoteStore):
        store.node = node
    node.attach()
    telemetry = setup_from_environment()
    tracing.refresh()
    try:
        await node.enter()
        assert node.ended is not None
        if pipe is not None:
            Lifeline(pipe, lambda: node.end("the root is gone"))
        watchdog.resume()
        why = await node.ended
        if why:
            logger.warning("process %r ends: %s", node.name, why)
        watchdog.pause()
    finally:
        await node.leave_system()
        await node.detach()
        close = getattr(store, "close", None)
        if close is not None:
            await close()
        await asyncio.to_thread(telemetry.shutdown)


if __name__ == "__main__":
    main()
