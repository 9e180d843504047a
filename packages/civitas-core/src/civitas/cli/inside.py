"""`civitas tree` and `civitas inspect`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from civitas.cli.agents import about, lacks, line_of, stacks, with_silence
from civitas.cli.console import stdout
from civitas.cli.failures import Refused
from civitas.cli.payloads import print_payload
from civitas.cli.profiles import profile_tree
from civitas.cli.reaching import running_system
from civitas.cli.windows import inspected, unless_blocked
from civitas.control.client import RemoteError

__all__ = ["show_agent", "show_tree"]


def show_tree(topology: Path, *, as_json: bool) -> None:
    """Print the tree, and what each agent does.

    Raises:
        CivitasError: The system does not run, or did not answer.
    """
    overview = asyncio.run(_overview(topology))
    if as_json:
        print_payload(overview)
        return
    branches: dict[str, Tree] = {}
    root: Tree | None = None
    for agent in with_silence(overview["agents"], overview):
        branch = branches[agent["name"]] = Tree(line_of(agent, overview["time"]))
        above = branches.get(agent["parent"] or "")
        if above is None:
            root = branch
        else:
            above.children.append(branch)
    console = stdout()
    if root is not None:
        console.print(root)
    for line in lacks(overview):
        console.print(line, soft_wrap=True)


def show_agent(
    topology: Path,
    name: str,
    *,
    only_stack: bool,
    profile: float | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Print what there is to know of an agent.

    Args:
        topology: The topology.
        name: Of the agent.
        only_stack: Whether to print the stack alone.
        profile: For how many seconds to look where its time goes, and print that alone; None for not at all.
        as_json: Whether to print JSON.
        verbose: Whether to print the tracebacks of its errors.

    Raises:
        CivitasError: The system does not run or did not answer, or there is no such agent.
    """
    agent = asyncio.run(_inspected(topology, name, profile))
    if as_json:
        print_payload(agent)
        return
    console = stdout()
    if profile is not None:
        console.print(profile_tree(agent))
        return
    found = (
        stacks(agent, whole=verbose) if only_stack else about(agent, time.time(), verbose=verbose)
    )
    lines = list(found)
    if not lines:
        lines = [Text(f"{name!r} handles nothing at this moment, so there is no stack")]
    for line in lines:
        console.print(line, soft_wrap=True)


async def _inspected(topology: Path, name: str, profile: float | None) -> Any:
    async with running_system(topology) as system:
        try:
            return await inspected(topology, system, name, profile)
        except RemoteError as error:
            raise Refused(str(error)) from error


async def _overview(topology: Path) -> Any:
    async with running_system(topology) as system:
        try:
            return await unless_blocked(topology, system, "overview")
        except RemoteError as error:
            raise Refused(str(error)) from error
