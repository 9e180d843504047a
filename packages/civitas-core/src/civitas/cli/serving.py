"""`civitas web`."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

from civitas.cli.failures import say
from civitas.cli.reaching import running_system
from civitas.web import Web

__all__ = ["serve_page"]


def serve_page(topology: Path, *, host: str, port: int, token: str | None) -> None:
    """Serve the page of the running system until somebody interrupts.

    Raises:
        CivitasError: The system does not run, or the page cannot be served there.
    """
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # that is how one leaves
        asyncio.run(_serve(topology, host=host, port=port, token=token))


async def _serve(topology: Path, *, host: str, port: int, token: str | None) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with running_system(topology):
        pass  # a mistake is told here rather than on the page
    async with Web(lambda: running_system(topology), host=host, port=port, token=token) as web:
        may = "read-only; --token lets you act" if token is None else "the page asks for the token"
        say(f"{topology}: open {web.url} ({may})")
        await web.wait()
