"""What the viewer of the demo sees."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Screen"]

_NAME = 12


class Screen:
    """Prints the demo, on a terminal or into a file.

    Args:
        console: Where to; standard output by default, and standard error for what failed.
    """

    def __init__(self, console: Console | None = None) -> None:
        width = None if sys.stdout.isatty() else 110
        self._console = console or Console(highlight=False, emoji=False, width=width)
        self._errors = console or Console(highlight=False, emoji=False, stderr=True)
        fancy = "utf" in self._console.encoding.lower()
        self._signs = ("✖", "↻", "✔", "·") if fancy else ("x", "R", "ok", "-")
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        """The first line."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def fact(self, name: str, text: str) -> None:
        """Something worth knowing, under the title."""
        label = Text(f"  {name:<{_NAME}}", style="dim")
        self._wrapped(label, text)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(Text(text, style="bold cyan"))

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that something takes a while, where the output can be written over."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(Text(text, style="dim"), spinner="dots"):
            yield

    def begin_clock(self) -> None:
        """From now on, lines say how long it is since."""
        self._began = time.monotonic()

    def step(self, who: str, what: str) -> None:
        """Somebody did something."""
        self._event("", "", who, what)

    def crashed(self, who: str, why: str) -> None:
        """An agent crashed."""
        self._event(self._signs[0], "bold red", who, why)

    def restarted(self, who: str, how: str) -> None:
        """An agent is back."""
        self._event(self._signs[1], "bold green", who, how)

    def tree(self, tree: dict[str, Any], kinds: dict[str, str]) -> None:
        """A supervision tree, with what each agent is."""
        self._console.print(Padding(self._branch(tree, kinds), (0, 0, 0, 2)))

    def answer(self, text: str) -> None:
        """What the team came up with."""
        self._console.print()
        panel = Panel(
            text, title="the answer", title_align="left", border_style="green", padding=(0, 1)
        )
        self._console.print(Padding(panel, (0, 0, 0, 2)))

    def trace(self, spans: Iterable[ReadableSpan]) -> None:
        """A trace as a waterfall."""
        from civitas.telemetry.waterfall_view import draw

        for line in draw(list(spans), self._console):
            self._console.print(line, no_wrap=True, overflow="crop")

    def done(self, text: str) -> None:
        """The last line, when all went well."""
        self._console.print()
        self._console.print(Text.assemble((f"{self._signs[2]} ", "bold green"), text))

    def fail(self, text: str) -> None:
        """The last line, when it did not."""
        self._errors.print(Text(text, style="bold red"), soft_wrap=True)

    def _event(self, sign: str, style: str, who: str, what: str) -> None:
        since = time.monotonic() - self._began
        label = Text.assemble(
            (f"{since:7.2f} s  ", "dim"), (f"{sign or ' ':<2}", style), (f"{who:<{_NAME}}", "bold")
        )
        self._wrapped(label, what, style)

    def _wrapped(self, label: Text, text: str, style: str = "") -> None:
        # The lines of a long text stand below each other, beside the label.
        width = max(self._console.width - label.cell_len, 20)
        lines = [part for line in text.splitlines() for part in textwrap.wrap(line, width) or [""]]
        for line in lines:
            self._console.print(Text.assemble(label, (line, style)))
            label = Text(" " * label.cell_len)

    def _branch(self, node: dict[str, Any], kinds: dict[str, str]) -> Tree:
        what = kinds.get(node["name"], node["kind"].replace("_", " "))
        text = Text.assemble(
            (f"{node['name']:<{_NAME}}", "bold"), (f" {what:<26}", "cyan"), node["status"]
        )
        if count := node["restarts"]:
            text.append(f", {count} restart{'s' if count > 1 else ''}", "bold green")
        if node["node"] != "root":
            text.append(f", process {node['node']} (pid {node['pid']})", "dim")
        branch = Tree(text, guide_style="dim")
        branch.children.extend(self._branch(child, kinds) for child in node["children"])
        return branch
