"""`civitas runs list`, `show`, `cancel` and `result`: at the running system, or in its store if it does not run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table
from rich.text import Text

from civitas.cli.asking import PATIENCE, in_our_words, print_reply
from civitas.cli.console import stdout
from civitas.cli.failures import Refused, say
from civitas.cli.payloads import json_text, print_payload
from civitas.cli.reaching import System, acting_user, running_system
from civitas.cli.stored import opened
from civitas.cli.times import age, moment
from civitas.cli.trees import count
from civitas.control.client import RemoteError
from civitas.control.operations import reply_as_plain
from civitas.errors import DeliveryError, HandlerFailed
from civitas.message import Message
from civitas.runs.info import RunStatus
from civitas.runs.stored import StoredRuns
from civitas.state import InMemoryStateStore
from civitas.telemetry.readable import cut, escaped

__all__ = ["cancel_run", "list_runs", "print_result", "show_run"]

_MOMENTS = ("since", "begun", "ended")
_CALLS = ("tool", "model", "node", "step")
_Found = TypeVar("_Found")


def list_runs(
    topology: Path, status: RunStatus | None, agent: str | None, *, as_json: bool
) -> None:
    """Print the runs, in the order in which they were accepted.

    Args:
        topology: The topology.
        status: Only those with this status.
        agent: Only those of this agent, or pool.
        as_json: Whether to print an array of objects.
    Raises:
        CivitasError: The system does not run, and no store outlives it.
    """

    async def live(system: System) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await system.request(
            "runs", status=status and str(status), agent=agent
        )
        return found

    async def stored(runs: StoredRuns) -> list[dict[str, Any]]:
        return [asdict(each) for each in await runs.infos(status, agent)]

    found = _ask(topology, live, stored)
    if as_json:
        print_payload([_plain(each) for each in found])
    elif found:
        stdout().print(_table(found))
    else:
        which = f" that are {status}" if status else ""
        say(f"{topology}: no runs{which}{f' of {agent!r}' if agent else ''}")


def show_run(topology: Path, run: str, *, as_json: bool) -> None:
    """Print everything about one run.

    Raises:
        CivitasError: As `list_runs`, or there is none of that name.
    """

    async def live(system: System) -> dict[str, Any]:
        found: dict[str, Any] = await system.request("run", run=run)
        return found

    async def stored(runs: StoredRuns) -> dict[str, Any]:
        return asdict(await runs.info(run))

    facts = _plain(_ask(topology, live, stored))
    if as_json:
        print_payload(facts)
        return
    steps = facts.pop("steps")
    told = {name: value for name, value in facts.items() if value not in (None, "", [])}
    width = max(map(len, told))
    for name, value in told.items():
        text = value if isinstance(value, str) else json_text(value)
        print(f"{name:{width}}  {escaped(text)}")
    if steps:
        stdout().print(_steps_table(steps))


def cancel_run(topology: Path, run: str) -> None:
    """End a run without an answer.

    Raises:
        CivitasError: As `show_run`, or it is over.
    """

    async def live(system: System) -> bool:
        cancelled: bool = await system.request("cancel", run=run, by=acting_user("runs cancel"))
        if not cancelled:
            await system.request("run", run=run)  # which says if there is none
        return cancelled

    if not _ask(topology, live, lambda runs: runs.cancel(run)):
        raise Refused(f"the run {run!r} is over; `civitas runs result` has its answer")
    print(f"{topology}: run {run!r} cancelled")


def print_result(
    topology: Path, run: str, timeout: float, *, final: bool, raw: bool, verbose: bool
) -> None:
    """Print the payload of the answer of a run; waits for it while the system runs.

    Args:
        topology: The topology.
        run: Name of the run.
        timeout: Seconds to wait.
        final: Whether to wait for the answers to its questions, too.
        raw: Whether a text is printed without quotes.
        verbose: Whether the traceback is printed, too, of a handler that failed.
    Raises:
        CivitasError: As `show_run`, or there is no answer.
    """

    async def live(system: System) -> dict[str, Any]:
        within = timeout + PATIENCE
        reply: dict[str, Any] = await system.request(
            "result", within=within, run=run, timeout=timeout, final=final
        )
        return reply

    async def stored(runs: StoredRuns) -> dict[str, Any]:
        answer = await runs.result(run)
        if final and isinstance(answer, Message) and answer.type == "interrupt":
            raise Refused(f"the run {run!r} waits for a human, and the system does not run")
        if isinstance(answer, Message):
            return reply_as_plain(answer)
        raise answer

    try:
        reply = _ask(topology, live, stored)
    except RemoteError as error:
        if verbose and error.traceback:
            say(error.traceback.rstrip())
        raise Refused(in_our_words(topology, error.error_type, str(error))) from error
    except DeliveryError as error:
        if verbose and isinstance(error, HandlerFailed):
            say(error.remote_traceback.rstrip())
        raise Refused(in_our_words(topology, type(error).__name__, str(error))) from error
    print_reply(topology, str(reply["sender"]), reply, raw=raw)


def _ask(
    topology: Path,
    live: Callable[[System], Awaitable[_Found]],
    stored: Callable[[StoredRuns], Awaitable[_Found]],
) -> _Found:
    """What `live` finds at the running system, or `stored` in the store of one that does not run."""

    async def work() -> _Found:
        async with _opened(topology) as there:
            return await (stored(there) if isinstance(there, StoredRuns) else live(there))

    return asyncio.run(work())


@asynccontextmanager
async def _opened(topology: Path) -> AsyncIterator[System | StoredRuns]:
    async with AsyncExitStack() as stack:
        there: System | StoredRuns
        try:
            there = await stack.enter_async_context(running_system(topology))
        except Refused:
            found = await stack.enter_async_context(opened(topology))
            # To look must not make a store: where there is none yet, there is nothing in it.
            there = StoredRuns(InMemoryStateStore() if found.store is None else found.store)
        yield there


def _plain(run: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a run, with times that people read."""
    facts = dict(run)
    for name in _MOMENTS:
        if facts[name] is not None:
            facts[name] = moment(facts[name])
    facts["waits_for"] = [
        {**each, "until": moment(each["until"])} if "until" in each else dict(each)
        for each in facts["waits_for"]
    ]
    facts["steps"] = [{**each, "since": moment(each["since"])} for each in facts["steps"]]
    return facts


def _steps_table(steps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("step", "", "since", "took", "bytes", ""):
        right = column in ("took", "bytes")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for each in steps:
        error, seconds, size = each["error"], each["seconds"], each["bytes"]
        shown = (
            each["name"],
            each["kind"],
            each["since"],
            "goes on" if seconds is None else f"{seconds:.3f} s",
            "" if size is None else f"{size:,}",
            error or ("recorded before" if each["recorded"] else ""),
        )
        table.add_row(*(Text(cut(value)) for value in shown))
    return table


def _table(runs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("run", "agent", "status", "since", "delivered", "step", "waits for", "used"):
        right = column in ("since", "delivered")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    now = time.time()
    for each in runs:
        shown = (
            each["run"],
            each["agent"],
            each["status"],
            age(max(0.0, now - each["since"])),
            f"{each['deliveries']} x",
            each["step"],
            ", ".join(map(partial(_wait, now), each["waits_for"])),
            _used(each["usage"], each["cost"]),
        )
        table.add_row(*(Text(cut(str(value))) for value in shown))
    return table


def _wait(now: float, wait: Mapping[str, Any]) -> str:
    match wait["for"]:
        case "agent":
            return f"agent {wait['name']}"
        case "retry":
            return f"another try in {max(0.0, wait['until'] - now):.0f} s"
        case "code":
            return f"other code: {wait['change']}"
        case _:
            kind = next((each for each in _CALLS if each in wait), None)
            if kind is not None and "since" in wait:
                return f"a human: did the {kind} {wait[kind]!r} happen?"
            return f"a human: {wait['id']}"


def _used(usage: Mapping[str, int] | None, cost: float | None) -> str:
    if usage is None:
        return ""
    used = f"{count(usage['requests'], 'call')}, {count(usage['total_tokens'], 'token')}"
    return used if cost is None else f"{used}, ${cost:.4f}"
