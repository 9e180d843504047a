"""What lies between the machines of these tests carries what it is told to carry, and no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.machines import Machine, Network, machines

pytestmark = [pytest.mark.usefixtures("namespaces"), pytest.mark.quick]

_ANSWER = """
import socket
with socket.create_server(("", 5000)) as server:
    print("listens", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(1))
"""
_ASK = """
import socket, sys, time
began = time.monotonic()
with socket.create_connection((sys.argv[1], 5000), timeout=0.6) as connection:
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
print(time.monotonic() - began)
"""


@pytest.fixture
def two(namespaces: None, tmp_path: Path) -> Iterator[Network]:
    with machines(tmp_path, "here", "there") as network:
        network.machines["there"].run(sys.executable, "-c", _ANSWER)
        network.machines["there"].says("listens")
        yield network


def asks(here: Machine, there: Machine) -> float | None:
    """The seconds that a connection and an answer took; None if there was none."""
    inside = ("ip", "netns", "exec", here.namespace, sys.executable, "-c", _ASK, there.address)
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def test_machines_are_cut_off_late_and_healed_as_told(two: Network) -> None:
    here, there = two.machines["here"], two.machines["there"]
    assert asks(here, there) is not None
    two.weather(loss=0.0, delay=0.05)
    took = asks(here, there)
    assert took is not None
    assert took > 0.2  # twice there and back
    two.cut(["here"], ["there"])
    assert asks(here, there) is None
    two.heal()
    assert asks(here, there) is not None
    two.weather(loss=1.0, delay=0.0)
    assert asks(here, there) is None
