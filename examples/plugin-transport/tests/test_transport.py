"""The transport, held to what every transport promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from civitas_streams import StreamTransport

from civitas.testing import TransportSuite


class TestStreamTransport(TransportSuite):
    """The suite, run on this transport."""

    @pytest.fixture
    def make_transport(self) -> Callable[[], StreamTransport]:
        """Makes transports that lose a node after half a second."""
        return lambda: StreamTransport(node_timeout=0.5)
