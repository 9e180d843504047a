"""`civitas run --takeover`: from the version that runs to this one, and from this one to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from civitas.cli.failures import Refused
from civitas.cli.reporting import EventPrinter
from civitas.control import ControlClient, ControlServer, SystemLock
from civitas.control.marks import taking_over
from civitas.control.passing import take_over
from civitas.edge import PassesOn
from civitas.errors import CivitasError
from civitas.runtime import Runtime
from civitas.topology import Topology

__all__ = ["Takeover", "check_takeover", "pass_on"]


def check_takeover(topology: Topology, *, elects: bool) -> None:
    """Raise `Refused` if another version of a system cannot take over from the one that runs."""
    file = topology.source.file
    if topology.state is None or topology.state.type == "memory":
        raise Refused(
            f"{file}: --takeover needs a state store that outlives the program; write state: "
            + ("{type: nats_kv, bucket: state}" if elects else "{type: sqlite, path: civitas.db}")
        )


class Takeover:
    """Takes over from the version of a system that runs, if one does.

    Args:
        runtime: This version, which has imported everything and is not started.
        lock: Of the system.
        folder: Its state folder.
        reporter: Says what happens.
        elects: Whether the roots agree by the transport on who leads; then the other version may be elsewhere.
    """

    def __init__(
        self,
        runtime: Runtime,
        lock: SystemLock,
        folder: Path,
        reporter: EventPrinter,
        *,
        elects: bool,
    ) -> None:
        self._elects = elects
        self._runtime = runtime
        self._lock = lock
        self._folder = folder
        self._reporter = reporter
        self._mark = ExitStack()

    async def begin(self) -> None:
        """Have it pass on what it does; returns when this version may start, which may wait until it is elected.

        Raises:
            CivitasError: It does not.
        """
        if self._elects:
            await self._runtime._life.prepare()
            self._runtime._node.next_program.take_over()
            return
        self._mark.enter_context(taking_over(self._folder))
        await self._runtime._life.prepare()
        sockets = await take_over(self._runtime.name, self._folder)
        self._lock.__enter__()
        for edge, listener in zip(_edges(self._runtime), sockets, strict=False):
            edge.listener = listener

    def end(self) -> None:
        """This version runs, or will not."""
        self._mark.close()

    def close(self) -> None:
        """The program ends."""
        self.end()
        if not self._elects:
            self._lock.__exit__(None, None, None)


async def pass_on(
    runtime: Runtime,
    door: ControlServer,
    lock: SystemLock,
    folder: Path,
    reporter: EventPrinter,
    passed: Callable[[], None] | None,
) -> None:
    """Let the version that asked for it take over, and answer here whoever waits.

    Args:
        runtime: This version.
        door: Of it.
        lock: Of the system.
        folder: Its state folder.
        reporter: Says what happens.
        passed: Called when the other one may be elected; None if the roots do not agree by the transport on who leads.
    """
    looking: list[asyncio.Task[None]] = []
    reporter.line("passing", runtime.name, "another version takes over")
    if passed is not None:

        async def elect() -> None:
            passed()

        await runtime._life.pass_on(runtime.drain_timeout, elect, replaces=True)
        return

    async def release() -> None:
        lock.__exit__(None, None, None)
        sockets = [each.listener for each in _edges(runtime) if each.listener is not None]
        await door.release(sockets)
        looking.append(asyncio.create_task(_refuse_what_it_lacks(runtime, folder)))

    try:
        await runtime._life.pass_on(runtime.drain_timeout, release)
    finally:
        for each in looking:
            each.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    await door.answered()


async def _refuse_what_it_lacks(runtime: Runtime, folder: Path) -> None:
    """Tell those that wait here for an agent which the other version does not have, as soon as that is known."""
    runs = runtime._node.runs
    with suppress(CivitasError):  # it does not start: those that wait are answered by one that does
        async with ControlClient(runtime.name, folder) as other:
            tree = await other.request("tree")
        if runs is not None:
            runs.asking.refuse_others(set(_names(tree)))


def _names(tree: Mapping[str, Any]) -> Iterator[str]:
    yield tree["name"]
    for each in tree.get("children", ()):
        yield from _names(each)


def _edges(runtime: Runtime) -> Iterator[PassesOn]:
    return (each for each in runtime._life.edges if isinstance(each, PassesOn))
