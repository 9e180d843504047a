"""What `civitas run --reload` starts: `civitas run`, which is told to stop when whatever watches the code is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading

from civitas.cli import main as civitas

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run a topology with the arguments of `civitas run`; stdin is a pipe that the starter holds and nobody else reads.

    Returns:
        The exit code.
    """
    pipe = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    threading.Thread(target=_stop_with_starter, args=[pipe], daemon=True).start()
    return civitas(["run", *arguments])


def _stop_with_starter(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
