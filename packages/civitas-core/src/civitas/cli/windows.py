"""An agent seen while the root does not answer: by the windows of this machine, or over the transport."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

from civitas.cli.agents import short
from civitas.cli.failures import Refused
from civitas.cli.reaching import Remote, System
from civitas.cli.times import span
from civitas.node.inspecting import Blocked, Seen
from civitas.node.window import look_through
from civitas.topology import load_part
from civitas.topology.state_folder import state_folder, window_of, windows_in

__all__ = ["blocked_root", "in_words", "inspected", "seen_of_request", "unless_blocked"]

_SOON = 0.25
"""Seconds for the system to answer; then it is looked whether an event loop is blocked."""
_LONG = 1.0
"""Seconds for it to answer what takes no time."""
_PATIENCE = 5.0
"""Seconds for it to answer at all."""
_PATIENCE_HERE = 2.0
_UNKNOWN = {"parent": None, "restarts_left": None, "due": None, "next": None, "budget": None}
"""What only the root knows of an agent."""


async def inspected(
    topology: Path, system: System, name: str, profile: float | None = None
) -> dict[str, Any]:
    """What `runtime.inspect` returns; of a system whose root is blocked, as far as it is seen from here.

    Args:
        topology: The topology.
        system: Runs.
        name: Of the agent.
        profile: For how many seconds to look where its time goes; None for not at all.

    Raises:
        CivitasError: The system refused or did not answer.
    """
    within = _PATIENCE + (profile or 0.0)
    asking = asyncio.ensure_future(
        system.request("inspect", within=within, name=name, profile=profile)
    )
    try:
        answered, _ = await asyncio.wait({asking}, timeout=_SOON)
        if not answered and (seen := await _seen_from_here(topology, system, name, profile)):
            return seen
        found: dict[str, Any] = await asking
        return found
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _seen_from_here(
    topology: Path, system: System, name: str, seconds: float | None
) -> dict[str, Any] | None:
    """What `runtime.inspect` would return, but for what only the root knows.

    Args:
        topology: The topology.
        system: Runs.
        name: Of the agent.
        seconds: How long to look where its time goes; None for not at all.

    Returns:
        None if the root is not blocked, so that it will answer, or no process here is blocked.

    Raises:
        Refused: One is, and no process that can be seen has such an agent.
    """
    seen = await _all_seen(topology, system, name)
    blocked = next((each["blocked"] for each in seen if each["blocked"]), None)
    if blocked is None or any(each["node"] == "root" and not each["blocked"] for each in seen):
        return None
    there = next((each for each in seen if each["agent"] is not None), None)
    if there is None:
        raise Refused(
            f"{in_words(blocked)}, and no other process of the system that can be seen from here has an agent {name!r}"
        )
    found: dict[str, Any] | None = there["agent"]
    if seconds is not None:
        if isinstance(system, Remote):
            again = await system.look(name, seconds, _PATIENCE_HERE)
        else:
            window = window_of(_folder(topology), there["pid"])
            again = await look_through(window, name, seconds, _PATIENCE_HERE)
        found = again["agent"] if again is not None else found
    return None if found is None else {**_UNKNOWN, **found, "blocked": found["blocked"] or blocked}


async def blocked_root(topology: Path, system: System | None = None) -> Blocked | None:
    """What blocks the event loop of the root; None if it turns, or that cannot be seen."""
    blocks = (each["blocked"] for each in await _all_seen(topology, system, None))
    return next((each for each in blocks if each is not None and each["node"] == "root"), None)


def in_words(blocked: Blocked) -> str:
    """Who blocks an event loop, for how long and where."""
    by = f"agent {blocked['by']!r}" if blocked["by"] else "code of no agent"
    text = f"the event loop of {blocked['node']!r} has been blocked by {by} for {span(blocked['seconds'])}"
    if not blocked["stack"]:
        return text
    frame = blocked["stack"][-1]
    return f"{text} at {short(frame['file'])}:{frame['line']} ({frame['function']})"


async def unless_blocked(topology: Path, system: System, operation: str) -> Any:
    """What the system answers to a request that takes no time.

    Raises:
        Refused: Its event loop is blocked.
        CivitasError: The system refused or did not answer.
    """
    asking = asyncio.ensure_future(system.request(operation, within=_PATIENCE))
    try:
        answered, _ = await asyncio.wait({asking}, timeout=_LONG)
        if not answered and (blocked := await blocked_root(topology, system)) is not None:
            look = f"civitas inspect {shlex.quote(str(topology))} {shlex.quote(blocked['by'] or 'NAME')}"
            raise Refused(f"{in_words(blocked)}; `{look}` shows more")
        return await asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def seen_of_request(
    topology: Path, system: System, to: str, request: str
) -> tuple[Blocked | None, bool]:
    """What blocks the event loop of the root, and whether the message of a request was accepted all the same."""
    seen = await _all_seen(topology, system, to, request)
    blocks = (each["blocked"] for each in seen if each["node"] == "root")
    return next(filter(None, blocks), None), any(each.get("accepted") for each in seen)


async def _all_seen(
    topology: Path, system: System | None, name: str | None, request: str = ""
) -> list[Seen]:
    looks = [
        look_through(each, name, None, _PATIENCE_HERE, request)
        for each in windows_in(_folder(topology))
    ]
    if isinstance(system, Remote):
        looks.append(system.look(name, None, _PATIENCE_HERE, request))
    return [each for each in await asyncio.gather(*looks) if each is not None]


def _folder(topology: Path) -> Path:
    return state_folder(load_part(topology, "name").name, topology)
