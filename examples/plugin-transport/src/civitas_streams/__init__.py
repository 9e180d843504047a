"""A sample Civitas plugin: carries messages between OS processes over plain TCP."""

from civitas_streams.carrier import StreamCarrier
from civitas_streams.transport import StreamTransport

__all__ = ["StreamCarrier", "StreamTransport"]
