"""`civitas run --process`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

from rich.console import Console

from civitas.cli.console import stdout
from civitas.cli.failures import Refused
from civitas.cli.fencing import begin_again_if_lost
from civitas.cli.logs import show_logs
from civitas.cli.replicas import make_room
from civitas.cli.reporting import print_line
from civitas.cli.signals import StopSignals, leave_within
from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.launch import FencedLoop, Vitals, queued_output, short_pauses
from civitas.plugins import PluginManager
from civitas.topology import Links, Topology, load, processes_of
from civitas.topology.processes import process_of
from civitas.topology.state_folder import open_state_folder, state_folder

__all__ = ["host_process"]

# What Python may take to end after everything was stopped, as for `civitas run` itself.
_LAST_SECONDS = 3.0


@queued_output()
def host_process(
    topology: Path,
    name: str,
    changes: Iterable[tuple[Any, Any]] = (),
    *,
    stands_by: bool = False,
    verbose: bool,
) -> int:
    """Be one process of a topology until a signal stops it.

    Args:
        topology: The topology.
        name: Of the process.
        changes: What holds instead of what the file says.
        stands_by: Whether it waits while there is another process of its name, and takes its place then.
        verbose: Whether to print all of the log.
    Returns:
        The exit code, 0.
    Raises:
        CivitasError: The topology has no such process, or the root refused this one.
    """
    show_logs(verbose=verbose)
    loaded = load(topology, changes)
    _check(loaded, name)
    links = Links(loaded, PluginManager())
    links.check()
    with suppress(ConfigurationError):  # without a folder for its window everything else works
        open_state_folder(state_folder(loaded.name, topology))
    root = links.root_address()
    options = process_of(loaded, name)
    assert options is not None  # that was checked
    os.environ.update(options.env)
    if options.cwd is not None:
        try:
            os.chdir(options.cwd)
        except OSError as error:
            raise Refused(f"process {name!r}: cwd: {options.cwd!r}: {error.strerror}") from error
    console = stdout()
    code = 1
    with (
        Vitals(options.hang_timeout) as vitals,
        StopSignals(partial(_stopping, console, vitals)) as signals,
        short_pauses(),
        asyncio.Runner(loop_factory=FencedLoop) as runner,
    ):
        loop = runner.get_loop()
        vitals.watch(loop)
        begin_again_if_lost(
            loop, signals, vitals, lambda why: print_line(console, "left", name, why)
        )
        try:
            hosting = _host(
                *(loaded, name, root, options.hang_timeout, signals, vitals, console, stands_by)
            )
            runner.run(hosting)
            code = 0
        finally:
            leave_within(_LAST_SECONDS, code)
    return code


def _check(topology: Topology, name: str) -> None:
    processes, found = processes_of(topology), process_of(topology, name)
    file = topology.source.file
    if found is None:
        known = ", ".join(processes) or "none"
        hint = did_you_mean(name, processes) or "."
        raise Refused(f"{file} has no process {name!r}{hint} It has: {known}")
    if found.start:
        raise Refused(
            f"the root starts process {name!r} by itself; to start it elsewhere, write in {file}: "
            f"processes: {{{name}: {{start: false}}}}"
        )


async def _host(
    topology: Topology,
    name: str,
    root: str,
    hang_timeout: float | None,
    signals: StopSignals,
    vitals: Vitals,
    console: Console,
    stands_by: bool,
) -> None:
    # Imported here: it brings what a refusal does without.
    from civitas.worker import work_elsewhere

    def tell(what: str, text: str) -> None:
        print_line(console, what, name, text)
        # One that stands by does what it was started for.
        (vitals.ready if what in ("joined", "standby") else vitals.waiting)(f"{what}: {text}")

    stop = asyncio.create_task(signals.first())
    try:
        await work_elsewhere(
            *(topology, name, root, stop, tell, hang_timeout),
            lambda: make_room(topology, name),
            stands_by=stands_by,
        )
    finally:
        stop.cancel()
        await asyncio.wait({stop})
    print_line(console, "stopped", name, "")


def _stopping(
    console: Console, vitals: Vitals, received: Signals, loop: asyncio.AbstractEventLoop | None
) -> None:
    vitals.stopping()
    print_line(console, "stopping", received.name, "a second signal stops at once")
