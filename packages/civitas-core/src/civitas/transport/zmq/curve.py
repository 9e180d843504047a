"""Key pairs of CURVE, as ZMQ makes them."""

from __future__ import annotations

import zmq

from civitas.errors import ConfigurationError

__all__ = ["key_pair", "public_of"]


def key_pair() -> tuple[str, str]:
    """A fresh public and secret key."""
    if not zmq.has("curve"):
        raise ConfigurationError(
            "the installed pyzmq was built without CURVE, so there are no keys; install the wheel of PyPI"
        )
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def public_of(secret: str) -> str:
    """The public key that belongs to a secret one; empty for what is not a key."""
    try:
        return zmq.curve_public(secret.encode()).decode()
    except (zmq.ZMQError, ValueError):
        return ""
