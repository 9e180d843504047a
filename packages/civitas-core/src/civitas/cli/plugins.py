"""`civitas plugins`."""

from __future__ import annotations

import dataclasses
import json
import logging

from rich.table import Table
from rich.text import Text

from civitas.cli.console import stdout
from civitas.plugins import FoundPlugin, PluginManager

__all__ = ["list_plugins"]


def list_plugins(*, as_json: bool) -> None:
    """Print a table of the plugins found here, or the same as JSON."""
    logging.getLogger("civitas").setLevel(logging.CRITICAL)  # the table says what is broken
    found = PluginManager().found()
    if as_json:
        print(json.dumps([dataclasses.asdict(plugin) for plugin in found]))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("plugin", "from", "brings"):
        table.add_column(heading, overflow="fold")
    for plugin in found:
        table.add_row(Text(plugin.name, style="bold"), Text(plugin.source), _brings(plugin))
    console = stdout()
    console.print(table)
    broken = sum(plugin.error is not None for plugin in found)
    if broken:
        console.print(f"{broken} of {len(found)} broken and left out", style="bold red")


def _brings(plugin: FoundPlugin) -> Text:
    if plugin.error is not None:
        return Text(f"broken: {plugin.error}", style="red")
    parts = []
    for hook in plugin.hooks:
        name = hook.removeprefix("civitas_").replace("_", " ")
        words = plugin.provides.get(hook)
        parts.append(f"{name}: {', '.join(words)}" if words else name)
    return Text("; ".join(parts) or "nothing")
