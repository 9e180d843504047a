"""CURVE: who may connect, and what is said when somebody may not."""

from __future__ import annotations

from typing import Any

import zmq

from civitas.transport.zmq.keys import Keys

__all__ = ["Doorkeeper", "lock_client", "lock_server"]

_DOMAIN = "civitas"


def lock_server(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Let only those into a bound socket that have the keys; needs a `Doorkeeper`."""
    socket.zap_domain = _DOMAIN.encode()
    socket.curve_server = True
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


def lock_client(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Connect only to those that have the keys."""
    socket.curve_serverkey = keys.public.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


class Doorkeeper:
    """Tells ZMQ who has the keys, in a thread of its own: an event loop may be busy when a node comes.

    Without it, knowing the public key would be enough.
    """

    def __init__(self, context: zmq.Context[Any], keys: Keys) -> None:
        from zmq.auth.thread import ThreadAuthenticator

        self._public = keys.public.encode()
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(_DOMAIN, credentials_provider=self)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether the node with this public key, whose secret key it has proved to have, may come in."""
        return key == self._public

    def close(self) -> None:
        """End the thread."""
        self._authenticator.stop()
