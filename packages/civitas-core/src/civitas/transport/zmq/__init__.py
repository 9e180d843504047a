"""The transport over ZMQ; the only modules that import pyzmq."""

from __future__ import annotations

from civitas.errors import ConfigurationError

try:
    import zmq as _zmq
except ImportError as error:
    raise ConfigurationError(
        "the transport 'zmq' needs pyzmq: pip install 'civitas-core[zmq]'"
    ) from error

from civitas.transport.zmq.security import key_pair, public_of
from civitas.transport.zmq.transport import ZmqTransport

__all__ = ["ZmqTransport", "key_pair", "public_of"]

del _zmq
