"""A server in the event loop of a program that has one already."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

__all__ = ["check_extra", "listen", "server_of", "url_of"]

_BACKLOG = 2048


def check_extra(what: str) -> None:
    """Look whether the extra `web` is installed.

    Args:
        what: Needs it.

    Raises:
        ConfigurationError: It is not.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"{what} needs {error.name}; install it with: pip install 'civitas-core[web]'"
        ) from error


def listen(what: str, host: str, port: int) -> socket.socket:
    """Listen at an address; from now on whoever comes waits until it is served.

    Args:
        what: Listens, for an error.
        host: The address, or a name of it.
        port: The port; 0 takes a free one.

    Raises:
        ConfigurationError: The port is taken, or the address is not one of this machine.
    """
    listener = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Named, as asyncio sends small parts at once only on sockets that say they are of TCP.
        listener = socket.socket(found[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigurationError(
            f"{what} cannot listen at {host}:{port}: {error.strerror or error}. "
            "Choose another port, or end whoever has it"
        ) from error
    return listener


def server_of(app: ASGIApp, **options: Any) -> uvicorn.Server:
    """A server whose signals are the program's.

    Args:
        app: What it serves.
        **options: Of `uvicorn.Config`.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        **options,
    )
    return Server(config)


def url_of(host: str, port: int) -> str:
    """Where it is found."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
