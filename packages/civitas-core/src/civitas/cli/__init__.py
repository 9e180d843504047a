"""The command `civitas`.

Each command imports what it needs when it runs, so that `civitas --help` is quick. `main` is the one place that turns
errors into lines and exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows `civitas`; those of this process by default.
    Returns:
        The exit code: 0, 1 for a failure, 2 for a command line that is not understood.
    """
    import sys

    from civitas.cli.app import app
    from civitas.cli.failures import guarded

    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(
        lambda: app(given, prog_name="civitas", standalone_mode=False),
        verbose="--verbose" in given,
    )
