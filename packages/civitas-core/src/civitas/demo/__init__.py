"""`civitas demo`: a graph, an SDK agent and a crew on one task; one of them crashes, the answer still comes.

The three stand in `team/`, written as anybody writes them, without Civitas; `team/topology.yaml` puts them under one
supervisor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["main"]


def main(*, console: Console | None = None, verbose: bool = False) -> int:
    """Run the demo.

    Args:
        console: Where to show it; standard output by default.
        verbose: Show the log too: supervisor reports with tracebacks, and what the frameworks say.
    Returns:
        The exit code: 0 when the answer came, 1 when it did not or a package is missing, 130 after Ctrl-C.
    """
    from civitas.demo.requirements import missing
    from civitas.demo.screen import Screen

    screen = Screen(console)
    if absent := missing():
        screen.fail(
            f"civitas demo needs {', '.join(absent)} beside civitas-core: pip install {' '.join(absent)} "
            "(from a checkout, `make demo` sets up everything)"
        )
        return 1
    from civitas.demo.play import play

    try:
        return play(screen, verbose=verbose)
    except KeyboardInterrupt:
        screen.fail("stopped")
        return 130
