"""`civitas tree` and `civitas inspect`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from civitas.cli.console import stdout
from civitas.cli.failures import Refused
from civitas.cli.profiles import profile_tree
from civitas.cli.reaching import running_system
from civitas.cli.times import span
from civitas.cli.trees import count
from civitas.cli.windows import seen_from_here
from civitas.control.client import RemoteError
from civitas.telemetry.readable import cut, escaped

__all__ = ["about", "does", "show_agent", "show_tree", "stacks"]

_PATIENCE = 5.0
_SOON = 0.25
"""Seconds for the system to answer; then it is looked whether an event loop is blocked."""
_STYLES = {"running": "green", "restarting": "yellow", "stopped": "dim", "terminated": "red"}


def show_tree(topology: Path, *, as_json: bool) -> None:
    """Print the tree, and what each agent does.

    Raises:
        CivitasError: The system does not run, or did not answer.
    """
    overview = _request(topology, "overview")
    if as_json:
        print(json.dumps(overview))
        return
    branches: dict[str, Tree] = {}
    root: Tree | None = None
    for agent in overview["agents"]:
        branch = branches[agent["name"]] = Tree(_line(agent, overview["time"]))
        above = branches.get(agent["parent"] or "")
        if above is None:
            root = branch
        else:
            above.children.append(branch)
    if root is not None:
        stdout().print(root)


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
        print(json.dumps(agent))
        return
    console = stdout()
    if profile is not None:
        console.print(profile_tree(agent))
        return
    lines = [*(stacks(agent) if only_stack else about(agent, time.time(), verbose=verbose))]
    if not lines:
        lines = [Text(f"{name!r} handles nothing at this moment, so there is no stack")]
    for line in lines:
        console.print(line, soft_wrap=True)


async def _inspected(topology: Path, name: str, profile: float | None) -> Any:
    async with running_system(topology) as system:
        within = _PATIENCE + (profile or 0.0)
        asking = asyncio.ensure_future(
            system.request("inspect", within=within, name=name, profile=profile)
        )
        try:
            answered, _ = await asyncio.wait({asking}, timeout=_SOON)
            if not answered and (seen := await seen_from_here(topology, name, profile)):
                return seen
            return await asking
        except RemoteError as error:
            raise Refused(str(error)) from error
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


def _request(topology: Path, operation: str, **arguments: Any) -> Any:
    async def request() -> Any:
        async with running_system(topology) as system:
            try:
                return await system.request(operation, within=_PATIENCE, **arguments)
            except RemoteError as error:
                raise Refused(str(error)) from error

    return asyncio.run(request())


def _line(agent: Mapping[str, Any], now: float) -> Text:
    text = Text(cut(agent["name"]), style="bold")
    text.append(f"  {agent['kind'].replace('_', ' ')}", style="not bold cyan")
    text.append(
        f"  {agent['status']}", style=f"not bold {_STYLES.get(agent['status'], '')}".strip()
    )
    facts = does(agent, now)
    if agent["restarts"]:
        facts.append(count(agent["restarts"], "restart"))
    if agent["waiting"]:
        facts.append(f"{agent['waiting']} waiting")
    if agent["node"] != "root":
        facts.append(f"process {agent['node']}")
    text.append("".join(f", {escaped(each)}" for each in facts), style="not bold")
    return text


def does(agent: Mapping[str, Any], now: float) -> list[str]:
    """What an agent does, in a few words."""
    facts = ["paused"] if agent["paused"] else []
    if (due := agent["due"]) is not None:
        facts.append(f"again in {span(due - now)}")
    handling = agent["handling"]
    if handling is not None:
        facts.append(f"handles {handling['type']} for {span(now - handling['since'])}")
        if handling["step"]:
            facts.append(handling["step"])
        if handling["asks"]:
            facts.append(f"waits for {', '.join(handling['asks'])}")
        if handling["retry_at"] is not None:
            facts.append(f"tries again in {span(handling['retry_at'] - now)}")
    return facts


def about(agent: Mapping[str, Any], now: float, *, verbose: bool) -> Iterator[Text]:
    """Everything about an agent, line by line."""
    yield _line(agent, now)
    if agent["started"] is not None:
        yield Text(f"  began {span(now - agent['started'])} ago")
    if agent["restarts_left"] is not None:
        yield Text(f"  {count(agent['restarts_left'], 'restart')} left")
    handling = agent["handling"]
    if handling is not None:
        who = handling["sender"] or "outside"
        yield Text(f"  message {handling['message']} from {escaped(who)}")
        if handling["conversation"] is not None:
            yield Text(f"  conversation {escaped(handling['conversation'])}")
        if handling["tokens"]:
            yield Text(f"  {count(handling['tokens'], 'token')}")
    yield from stacks(agent)
    if agent.get("queue"):
        yield Text("queue", style="bold")
        for each in agent["queue"]:
            sender = escaped(each["sender"] or "outside")
            yield Text(
                f"  {each['message']}  {escaped(each['type'])}  from {sender}  {span(now - each['sent'])}"
            )
    if agent.get("errors"):
        yield Text("errors", style="bold")
        for each in agent["errors"]:
            first = each["error"].partition("\n")[0]
            yield Text(f"  {span(now - each['time'])} ago  {escaped(first)}", style="red")
            if verbose:
                yield from _indented(each["traceback"].rstrip().splitlines())
    if agent.get("state"):
        yield Text("state", style="bold")
        yield Text(f"  {escaped(json.dumps(agent['state'], default=str))}")


def stacks(agent: Mapping[str, Any]) -> Iterator[Text]:
    """Where the code of an agent is, line by line, and who blocks its event loop."""
    blocked = agent.get("blocked")
    if blocked is not None:
        by = f"by {blocked['by']!r}" if blocked["by"] else "by code of no agent"
        text = (
            f"the event loop of {blocked['node']!r} is blocked {by} for {span(blocked['seconds'])}"
        )
        yield Text(text, style="bold red")
        if blocked["by"] != agent["name"]:
            yield from _frames(blocked["stack"])
    for stack in (agent.get("stack", ()), *agent.get("threads", ())):
        if not stack:
            continue
        yield Text("stack", style="bold")
        yield from _frames(stack)


def _frames(stack: Iterable[Mapping[str, Any]]) -> Iterator[Text]:
    for frame in stack:
        yield Text(f"  {escaped(frame['file'])}:{frame['line']} in {escaped(frame['function'])}")
        yield Text(f"    {escaped(frame['code'])}", style="dim")


def _indented(lines: Iterable[str]) -> Iterator[Text]:
    for line in lines:
        yield Text(f"    {escaped(line)}", style="dim")
