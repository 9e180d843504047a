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

    _open_what_is_closed()
    _let_sigterm_end_a_container()
    from civitas.cli.app import app
    from civitas.cli.failures import guarded

    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(
        lambda: app(given, prog_name="civitas", standalone_mode=False),
        verbose="--verbose" in given,
    )


def _let_sigterm_end_a_container() -> None:
    """The kernel drops SIGTERM for the first process of a container while that has no handler for it."""
    import os
    import signal

    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


def _open_what_is_closed() -> None:
    """A program that is started with `>&-` has no stdout, and the next file it opens would be taken for that."""
    import os
    import sys

    if sys.stdin is not None and sys.stdout is not None and sys.stderr is not None:
        return
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
