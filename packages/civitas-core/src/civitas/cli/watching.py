"""`civitas top`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from civitas.cli.console import stdout
from civitas.cli.reaching import System, running_system
from civitas.cli.trees import count, when
from civitas.control.client import RemoteError
from civitas.errors import NodeDown
from civitas.telemetry.readable import cut

__all__ = ["watch"]

_REFRESH = 1.0
_PATIENCE = 5.0
_STYLES = {"running": "green", "restarting": "yellow", "stopped": "dim", "terminated": "red"}


def watch(topology: Path, *, once: bool) -> None:
    """Show the tree of the running system, once or until it stops or somebody interrupts.

    Args:
        topology: The topology.
        once: Whether to print it and end; without a terminal that is all there is.
    Raises:
        CivitasError: The system does not run, or did not answer at all.
    """
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # that is how one leaves
        asyncio.run(_watch(topology, once=once))


async def _watch(topology: Path, *, once: bool) -> None:
    async with running_system(topology) as system:
        tree = await system.request("tree", within=_PATIENCE)
        console = stdout()
        if once or not console.is_terminal:
            console.print(_view(tree))
            return
        ended = await _follow(system, tree)
    console.print(f"{topology}: {ended}", markup=False)


async def _follow(system: System, tree: dict[str, Any]) -> str:
    """Refresh the tree until the system stops."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)  # so that the cursor is shown again
    with Live(
        _view(tree), console=Console(highlight=False, emoji=False), auto_refresh=False
    ) as live:
        while True:
            await asyncio.sleep(_REFRESH)
            asked = loop.time()
            answer = asyncio.create_task(system.request("tree"))
            try:
                while not (await asyncio.wait({answer}, timeout=_REFRESH))[0]:
                    live.update(_view(tree, silent=loop.time() - asked), refresh=True)
                tree = answer.result()
            except (NodeDown, RemoteError):  # gone, or in the last moment of stopping
                return "the system stopped"
            finally:
                answer.cancel()
            live.update(_view(tree), refresh=True)


def _view(tree: dict[str, Any], *, silent: float = 0.0) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("name", overflow="ellipsis", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for heading in ("restarts", "mailbox", "pid"):
        table.add_column(heading, justify="right", no_wrap=True)
    entries = list(_rows(tree, "", ""))
    several = any(entry["node"] != tree["node"] for _, entry in entries)
    if several:
        table.add_column("process", no_wrap=True)
    scheduled = any("next" in entry for _, entry in entries)
    if scheduled:
        table.add_column("next", no_wrap=True)
    for guide, entry in entries:
        name = Text(guide, style="dim")
        name.append(cut(entry["name"]), style="not dim bold")
        restarts, mailbox = entry["restarts"], entry["mailbox_depth"]
        table.add_row(
            name,
            Text(entry["kind"].replace("_", " "), style="cyan"),
            Text(entry["status"], style=_STYLES.get(entry["status"], "")),
            Text(str(restarts), style="yellow" if restarts else "dim"),
            Text(str(mailbox), style="bold" if mailbox else "dim") if _has_mailbox(entry) else "",
            Text(str(entry["pid"] or "-")),
            *([Text(entry["node"])] if several else []),
            *([Text(when(entry["next"]) if "next" in entry else "")] if scheduled else []),
        )
    summary = _summary([entry for _, entry in entries], silent)
    if (leader := tree.get("leader")) is not None:
        since = time.strftime("%H:%M:%S", time.localtime(leader["since"]))
        summary.append(f"\nled by process {leader['pid']} on {leader['host']} since {since}", "dim")
    return Group(summary, table)


def _rows(entry: dict[str, Any], guide: str, below: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry of a tree with the lines that stand before its name."""
    yield guide, entry
    *others, last = entry["children"] or [None]
    for child in others:
        yield from _rows(child, f"{below}├── ", f"{below}│   ")
    if last is not None:
        yield from _rows(last, f"{below}└── ", f"{below}    ")


def _has_mailbox(entry: dict[str, Any]) -> bool:
    return bool(entry["kind"] == "agent")


def _summary(entries: list[dict[str, Any]], silent: float) -> Text:
    agents = [entry for entry in entries if entry["kind"] == "agent"]
    running = sum(entry["status"] == "running" for entry in agents)
    restarts = sum(entry["restarts"] for entry in entries)
    waiting = sum(entry["mailbox_depth"] for entry in agents)
    text = Text(f"{running} of {count(len(agents), 'agent')} running, ")
    text.append(f"{count(restarts, 'restart')}, {count(waiting, 'message')} waiting")
    if silent:
        text.append(f"  no answer for {silent:.0f} s", style="bold red")
    return text
