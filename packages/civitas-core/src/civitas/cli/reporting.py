"""What happens in a running system, one line each."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text

from civitas.events import EVENT_TYPES, Event
from civitas.runtime import Runtime
from civitas.telemetry.readable import cut, escaped

__all__ = ["EventPrinter", "print_line"]

_STYLES = {
    "crashed": "bold red",
    "gave_up": "bold red",
    "restarted": "green",
    "ready": "bold green",
    "dead_letter": "yellow",
    "node_down": "bold red",
}
_ALWAYS = ("crashed", "restarted", "gave_up", "node_up", "node_down", "acted")


def print_line(
    console: Console, what: str, name: str, text: str, when: float | None = None
) -> None:
    """Print one line: when, what, who, and more."""
    clock = time.strftime("%H:%M:%S", time.localtime(when))
    line = Text(f"{clock} ", style="dim")
    line.append(f"{what.replace('_', ' '):<10}", style=_STYLES.get(what, ""))
    line.append(f" {cut(name)}", style="bold")
    line.append(f"  {escaped(text)}" if text else "")
    console.print(line)


class EventPrinter:
    """Prints crashes, restarts and give-ups as they come; everything else too when `verbose`."""

    def __init__(self, console: Console, runtime: Runtime, *, verbose: bool) -> None:
        self.console = console
        self._crashes: dict[str, float] = {}
        self._hint = "" if verbose else " (--verbose shows where)"
        for type_ in EVENT_TYPES if verbose else _ALWAYS:
            runtime.on(type_, self._event)

    def line(self, what: str, name: str, text: str, when: float | None = None) -> None:
        """Print one line: when, what, who, and more."""
        print_line(self.console, what, name, text, when)

    def _event(self, event: Event) -> None:
        text = event.message.partition("\n")[0]
        if event.type == "crashed":
            self._crashes[event.name] = event.time
            text, self._hint = text + self._hint, ""
        elif event.type == "restarted" and event.name in self._crashes:
            taken = (event.time - self._crashes.pop(event.name)) * 1000
            text = f"back after {taken:.0f} ms" if taken >= 1 else "back within 1 ms"
        self.line(event.type, event.name, text, event.time)
