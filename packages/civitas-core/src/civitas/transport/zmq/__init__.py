"""The transport over ZMQ. Pyzmq is imported when a transport or keys are made, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.transport.zmq.door import ZmqCarrier, private_sockets
from civitas.transport.zmq.extra import need_pyzmq
from civitas.transport.zmq.keys import Keys

if TYPE_CHECKING:
    from civitas.transport.zmq.transport import ZmqTransport

__all__ = ["Keys", "ZmqCarrier", "ZmqTransport", "private_sockets"]


def __getattr__(name: str) -> Any:
    if name != "ZmqTransport":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    need_pyzmq()
    from civitas.transport.zmq.transport import ZmqTransport

    return ZmqTransport
