"""`civitas topology validate`."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from civitas.cli.console import stdout
from civitas.cli.failures import Refused, say
from civitas.cli.trees import kind_of
from civitas.errors.hints import did_you_mean
from civitas.launch import ProcessOptions
from civitas.plugins import PluginManager
from civitas.topology import Topology, load, processes_of, runtime_options
from civitas.topology.building import Builder
from civitas.topology.grammar import AgentEntry
from civitas.topology.limits import refuse_nothing

__all__ = ["validate_process", "validate_topology"]


def validate_topology(
    file: Path,
    changes: Iterable[tuple[Any, Any]] = (),
    *,
    imports: bool,
    verbose: bool,
    trial: Callable[[str], list[str]] | None = None,
) -> int:
    """Print that a topology is valid, with what is in it.

    Args:
        file: The topology.
        changes: What holds instead of what the file says.
        imports: Whether to construct its agents, as `run` would: those of an OS process in one of its kind.
        verbose: Whether to show tracebacks.
        trial: The arguments of an interpreter that checks the process of a name; this check without.
    Returns:
        The exit code: 1 where an agent of another OS process cannot be made there.
    Raises:
        TopologyError: It is not valid.
        StartFailed: Something it names cannot be imported or constructed.
    """
    topology = load(file, changes)
    elsewhere: list[str] = []
    if imports:
        plugins = PluginManager()
        asyncio.run(_try_out(Builder(topology, {}, plugins)))
        runtime_options(topology, plugins=plugins)
        held: set[tuple[str, ...]] = set()
        for name, options in processes_of(topology).items():
            agents = tuple(entry.name for _, entry in topology.agents_of(name))
            if agents and agents in held:
                continue  # a replica like the one that was looked at
            held.add(agents)
            if not options.start:
                elsewhere.append(name)
            elif not _holds_there(file, name, options, trial or _validation(file, verbose=verbose)):
                return 1
    refuse_nothing(topology)
    _warn_of_empty(topology, file)
    stdout().print(f"{file}: valid, {_contents(topology)}", markup=False)
    for name in elsewhere:
        stdout().print(
            f"process {name!r} is started elsewhere; check its agents there, with --process {name}",
            markup=False,
        )
    return 0


def validate_process(file: Path, name: str, changes: Iterable[tuple[Any, Any]] = ()) -> None:
    """Construct the agents of one OS process of a topology, here, and print nothing.

    Raises:
        Refused: There is no such process.
        TopologyError: Something that one of its agents names cannot be resolved, or does not fit.
        StartFailed: Something it names cannot be imported or constructed.
    """
    topology = load(file, changes)
    processes = processes_of(topology)
    if name not in processes:
        known = ", ".join(processes) or "none"
        hint = did_you_mean(name, processes) or "."
        raise Refused(f"{file} has no process {name!r}{hint} It has: {known}")
    asyncio.run(_try_out(Builder(topology, {}, PluginManager()), name))


async def _try_out(builder: Builder, process: str = "") -> None:
    """Construct agents as they are where they run, with an event loop running."""
    if process:
        builder.all_of(process)
    else:
        builder.build(())
    await builder.try_out()


def _validation(file: Path, *, verbose: bool) -> Callable[[str], list[str]]:
    further = ["--verbose"] if verbose else []
    command = ["-m", "civitas.cli", "topology", "validate", str(file.resolve())]
    return lambda name: [*command, "--process", name, *further]


def _holds_there(
    file: Path, name: str, options: ProcessOptions, trial: Callable[[str], list[str]]
) -> bool:
    """Let the interpreter of a process check its agents: only it has the modules that they need."""
    try:
        done = subprocess.run(  # noqa: S603  (what the topology says that `run` shall run)
            [options.interpreter(name), *trial(name)],
            cwd=options.cwd,
            env={**os.environ, **options.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise Refused(f"process {name!r} cannot be started: {error.strerror}") from error
    if done.returncode == 0:
        return True
    told = done.stderr.strip().replace(str(file.resolve()), str(file))
    if "No module named 'civitas" in told:
        told = f"civitas: process {name!r}: civitas-core is not installed in {options.python}"
    say(told or f"civitas: process {name!r}: its check ended with exit code {done.returncode}")
    return False


def _warn_of_empty(topology: Topology, file: Path) -> None:
    used = {entry.process for _, _, entry in topology.walk() if isinstance(entry, AgentEntry)}
    for name in topology.processes:
        if name not in used:
            place = topology.source.problem(("processes", name), "").line
            say(
                f"{file}:{place}: warning: no agent has 'process: {name}'{did_you_mean(name, used - {''})}"
            )


def _contents(topology: Topology) -> str:
    counts = Counter(kind_of(kind, entry) for _, kind, entry in topology.walk())
    counts["process"] = len(processes_of(topology))
    plurals = {"process": "processes"}
    return ", ".join(
        f"{count} {kind.replace('_', ' ') if count == 1 else plurals.get(kind, f'{kind}s').replace('_', ' ')}"
        for kind, count in sorted(counts.items())
        if count
    )
