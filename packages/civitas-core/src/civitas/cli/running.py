"""`civitas run`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

from civitas.cli.console import stdout
from civitas.cli.fencing import begin_again_if_lost
from civitas.cli.logs import show_logs
from civitas.cli.reporting import EventPrinter
from civitas.cli.signals import StopSignals, leave_within
from civitas.cli.stuck import watch_stop
from civitas.cli.taking_over import Takeover, check_takeover, pass_on
from civitas.cli.trees import running_tree
from civitas.cluster.frames import own_version
from civitas.control import ControlServer, SystemLock, state_folder
from civitas.control.marks import passing_on
from civitas.launch import FencedLoop, Vitals, queued_output, short_pauses
from civitas.plugins import PluginManager
from civitas.runtime import Runtime
from civitas.topology import Links, load
from civitas.topology.handover import digest_of
from civitas.topology.limits import refuse_nothing
from civitas.topology.state_folder import open_state_folder

__all__ = ["run_topology"]

# What Python may take to end after everything was stopped, exporters that flush at exit included.
_LAST_SECONDS = 3.0
_ITS_TURN = 2.0
"""Seconds for the version that asked to lead to be elected."""


@queued_output()
def run_topology(
    topology: Path,
    changes: Iterable[tuple[Any, Any]] = (),
    *,
    takeover: bool = False,
    trace: bool,
    verbose: bool,
) -> int:
    """Run a topology until a signal stops it.

    Args:
        topology: The topology.
        changes: What holds instead of what the file says.
        takeover: Whether to take over from the version of it that runs.
        trace: Whether to print each trace.
        verbose: Whether to print all of the log, and every event.
    Returns:
        The exit code, 0.
    Raises:
        CivitasError: It cannot be run, or its root supervisor gave up.
    """
    show_logs(verbose=verbose)
    loaded = load(topology, changes)
    refuse_nothing(loaded)
    folder = state_folder(loaded.name, topology)
    open_state_folder(folder)  # the processes that it starts have their windows there
    elects = Links(loaded, PluginManager()).elects
    if takeover:
        check_takeover(loaded, elects=elects)
    lock = SystemLock(loaded.name, folder, elected=elects)
    # First of all: a second system must end before it imports and starts what may do harm beside the first. Where
    # several may be started, the one that leads has the lock.
    with nullcontext() if elects or takeover else lock, Vitals() as vitals:
        runtime = Runtime.from_config(loaded)
        reporter = EventPrinter(stdout(), runtime, verbose=verbose)
        code = 1
        with (
            _traces() if trace else nullcontext(),
            short_pauses(),
            StopSignals(partial(_stopping, reporter, runtime, vitals)) as signals,
            asyncio.Runner(loop_factory=FencedLoop) as runner,
        ):
            loop = runner.get_loop()
            vitals.watch(loop)
            begin_again_if_lost(
                loop, signals, vitals, lambda why: reporter.line("deposed", "", why)
            )
            taking = None
            if takeover:
                taking = Takeover(runtime, lock, folder, reporter, elects=elects)
            digest = digest_of(loaded)

            def again() -> _Program:
                runtime = Runtime.from_config(loaded)  # its code is here already
                lock = SystemLock(loaded.name, folder, elected=True)
                reporter = EventPrinter(stdout(), runtime, verbose=verbose)
                parts = (runtime, lock, elects, None, signals, vitals, reporter, digest, folder)
                return _Program(*parts, again)

            parts = (runtime, lock, elects, taking, signals, vitals, reporter, digest, folder)
            program = _Program(*parts, again)
            try:
                runner.run(program.run(topology))
                code = 0
            finally:
                leave_within(_LAST_SECONDS, code)
    return code


@contextmanager
def _traces() -> Iterator[None]:
    """Print each trace, to the last one."""
    from civitas.telemetry.setup import setup_from_environment
    from civitas.telemetry.waterfall import show_waterfall

    setup_from_environment()  # first, so that the waterfall joins what the environment asks for
    waterfall = show_waterfall()
    try:
        yield
    finally:
        waterfall.shutdown()


class _Program:
    def __init__(
        self,
        runtime: Runtime,
        lock: SystemLock,
        elects: bool,
        taking: Takeover | None,
        signals: StopSignals,
        vitals: Vitals,
        reporter: EventPrinter,
        digest: str,
        folder: Path,
        again: Callable[[], _Program] | None = None,
    ) -> None:
        self._again = again
        self._standing_in: asyncio.Task[bool] | None = None
        self._folder = folder
        self._runtime = runtime
        self._digest = digest
        self._waited = False
        self._marks = ExitStack()
        self._lock = lock
        self._elects = elects
        self._taking = taking
        self._signals = signals
        self._vitals = vitals
        self._reporter = reporter

    async def run(self, topology: Path, *, stands_in: bool = False) -> bool:
        """Run the system until a signal stops it, or another version takes over.

        Args:
            topology: Its topology.
            stands_in: Whether it only leads if the version that took over from this one does not.

        Returns:
            Whether this one has led.
        """
        try:
            led = await self._lead(topology, stands_in=stands_in)
            if led and not (self._standing_in is not None and await self._standing_in):
                self._reporter.line("stopped", self._runtime.name, "")
            return led
        finally:
            self._marks.close()

    async def _lead(self, topology: Path, *, stands_in: bool) -> bool:
        runtime, door = self._runtime, ControlServer(self._runtime, self._folder)
        runtime._life.callers.on_lead = self._mark_passing
        stop = asyncio.create_task(self._signals.first())
        start = asyncio.create_task(self._start(topology))
        ends: list[asyncio.Task[Any]] = [start, stop]
        if stands_in:
            ends.append(asyncio.create_task(runtime._node.next_program.found()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for other in ends[2:]:  # once this one leads, it would find itself
                other.cancel()
            if not start.done():
                start.cancel()
                await asyncio.gather(start, return_exceptions=True)
                return False
            start.result()
            if stands_in:
                self._waited = True
                why = "the version that took over has ended before it was ready; this one goes on"
                self._reporter.line("again", runtime.name, why)
            with self._lock if self._elects else nullcontext():
                async with door:
                    self._marks.close()  # from now on whoever comes finds the socket
                    runtime._node.next_program.yields_to(door.is_asked_to_pass_on)
                    if self._taking is not None:
                        self._taking.end()
                    self._tell_of_version()
                    reporter = self._reporter
                    reporter.console.print(running_tree(runtime.tree()))
                    if (url := runtime.edge_url) is not None:
                        reporter.line("edge", url, "")
                    reporter.line("ready", topology.name, "SIGTERM or Ctrl-C stops it")
                    self._vitals.ready(f"{topology.name} is running")
                    await self._until_stopped(door, stop, topology)
                    return True
        finally:
            stop.cancel()
            await runtime.stop()
            await runtime._node.next_program.leave_alone()
            if self._taking is not None:
                self._taking.close()

    def _tell_of_version(self) -> None:
        """Say in the timeline that this version runs from now on."""
        name, node = self._runtime.name, self._runtime._node
        how = "takeover" if self._taking is not None else "leads" if self._waited else "started"
        did = {"takeover": "took over", "leads": "leads from now on", "started": "was started"}[how]
        what = f"topology {self._digest[:8]}, civitas-core {own_version()}, process {os.getpid()}"
        node.events.emit("deployed", name, how, f"{name} {did}: {what}")

    def _mark_passing(self) -> None:
        """Let those wait who come to this machine while no program leads, or the one that does has no socket yet."""
        if self._elects:
            self._marks.enter_context(passing_on(self._folder))

    async def _start(self, topology: Path) -> None:
        def waiting(text: str) -> None:
            self._waited = True
            self._reporter.line("waiting", topology.name, text)
            self._vitals.ready(f"waiting: {text}")  # it stands by: that is what it was started for

        if self._taking is not None:
            await self._taking.begin()
        await self._runtime.start(waiting=waiting)

    async def _until_stopped(
        self, door: ControlServer, stop: asyncio.Task[Signals], topology: Path
    ) -> None:
        ended = asyncio.create_task(self._runtime.wait())
        ends: set[asyncio.Future[Any]] = {ended, stop, door.successor}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        began, drain_timeout = time.monotonic(), self._runtime.drain_timeout
        if not ended.done() and not stop.done():
            self._vitals.stopping()
            self._mark_passing()
            await self._pass_on(door, stop, topology)
        elif not ended.done():
            if self._runtime._node.next_program.is_awaited:
                self._mark_passing()
            await self._runtime.stop()
        if self._runtime._node.next_program.forward is not None:
            # With the agents at rest, and the answers of the next root, no longer than whoever stops this one expects.
            await door.answered(max(0.0, began + 2 * drain_timeout - time.monotonic()))
        await ended

    async def _pass_on(
        self, door: ControlServer, stop: asyncio.Task[Signals], topology: Path
    ) -> None:
        """Let the other version take over, and wait until those that asked here have their answers from it."""
        runtime = self._runtime

        def passed() -> None:
            self._standing_in = asyncio.create_task(self._stand_in(stop, topology))

        passing = asyncio.create_task(
            pass_on(
                runtime,
                door,
                self._lock,
                self._folder,
                self._reporter,
                passed if self._elects else None,
            )
        )
        await asyncio.wait({passing, stop}, return_when=asyncio.FIRST_COMPLETED)
        # That may take as long as their runs; whoever stops this program does not want to wait for it.
        await asyncio.wait({passing}, timeout=runtime.drain_timeout)
        if not passing.done():
            runtime._life.leave_askers()
        await passing

    async def _stand_in(self, stop: asyncio.Task[Signals], topology: Path) -> bool:
        """Lead again if the version that asked for that does not; returns whether that was so."""
        await asyncio.wait({stop}, timeout=_ITS_TURN)
        if self._again is None or stop.done() or self._runtime._node.next_program.is_there:
            return False
        program = self._again()
        program._runtime._life.callers.come_after(self._runtime._life.edges)
        return await program.run(topology, stands_in=True)


def _stopping(
    reporter: EventPrinter,
    runtime: Runtime,
    vitals: Vitals,
    received: Signals,
    loop: asyncio.AbstractEventLoop | None,
) -> None:
    if loop is not None:
        watch_stop(runtime, loop)
    vitals.stopping()
    reporter.line("stopping", received.name, "a second signal stops at once")
