"""ZMQ keeps the promises of a transport, wherever it listens."""

from __future__ import annotations

import pytest

from civitas.testing import TransportSuite
from civitas.transport.zmq import ZmqTransport
from civitas.transport.zmq.keys import Keys

TIMEOUT = 0.5


class TestSocketsOfThisMachine(TransportSuite):
    @pytest.fixture
    def make_transport(self):
        return lambda: ZmqTransport(node_timeout=TIMEOUT)


class TestLoopback(TransportSuite):
    @pytest.fixture
    def make_transport(self):
        return lambda: ZmqTransport(address="tcp://127.0.0.1:*", node_timeout=TIMEOUT)


class TestLoopbackWithKeys(TransportSuite):
    @pytest.fixture
    def make_transport(self, request):
        keys = Keys.new()
        # To encrypt 64 MiB may take a busy machine longer than a node may be silent in the other tests.
        timeout = 10.0 if "largest_frame" in request.node.name else TIMEOUT
        return lambda: ZmqTransport(address="tcp://localhost:*", keys=keys, node_timeout=timeout)
