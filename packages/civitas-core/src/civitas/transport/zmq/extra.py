"""What the extra ``civitas-core[zmq]`` brings."""

from __future__ import annotations

from civitas.errors import ConfigurationError

__all__ = ["need_pyzmq"]


def need_pyzmq() -> None:
    """Import pyzmq.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import zmq  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "the transport 'zmq' needs pyzmq: pip install 'civitas-core[zmq]'"
        ) from error
