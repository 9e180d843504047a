"""What lies between machines: carries the packets of network namespaces, and loses, delays and cuts as it is told.

    python -m tests.faults.air NAMESPACE=ADDRESS...

Each namespace gets one device, `eth0`, whose packets come here: real TCP of a real kernel goes through, and no module
of it is needed beside TUN (many lack `netem`). A line on standard input is a command, as JSON:
`{"cut": [["10.99.0.1", "10.99.0.2"]], "loss": 0.05, "delay": 0.05}`; what it does not name is as before. It ends when
standard input does.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import json
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_TUNSETIFF = 0x400454CA
_TUN, _NO_INFO = 0x0001, 0x1000
_LARGEST = 65536
_AT_ONCE = 64
"""Packets of one machine that are taken before those of another."""


class Air:
    """Machines, and the packets between them.

    Args:
        machines: Their addresses, by namespace.
    """

    def __init__(self, machines: Mapping[str, str]) -> None:
        self.loss = 0.0
        self.delay = 0.0
        self._cut: set[frozenset[bytes]] = set()
        self._chance = random.Random(1)
        self._late: list[tuple[float, int, int, bytes]] = []
        self._numbers = itertools.count()
        self._devices = {
            socket.inet_aton(address): _device(namespace, address)
            for namespace, address in machines.items()
        }

    def told(self, command: Mapping[str, Any]) -> None:
        """Take a command."""
        if "cut" in command:
            self._cut = {frozenset(map(socket.inet_aton, pair)) for pair in command["cut"]}
        self.loss = command.get("loss", self.loss)
        self.delay = command.get("delay", self.delay)

    def run(self) -> None:
        """Carry until standard input ends."""
        selector = selectors.DefaultSelector()
        for device in self._devices.values():
            selector.register(device, selectors.EVENT_READ)
        selector.register(sys.stdin.buffer.raw, selectors.EVENT_READ, data="commands")  # type: ignore[attr-defined]
        while True:
            wait = None
            if self._late:
                wait = max(0.0, self._late[0][0] - time.monotonic())
            for key, _ in selector.select(wait):
                if key.data is None:
                    self._take(key.fd)
                    continue
                lines = os.read(key.fd, 65536)
                if not lines:
                    return
                for line in lines.splitlines():
                    self.told(json.loads(line))
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self._late)
                _write(device, packet)

    def _take(self, device: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(device, _LARGEST)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            target = self._devices.get(packet[16:20])
            if target is None or frozenset((packet[12:16], packet[16:20])) in self._cut:
                continue
            if self.loss and self._chance.random() < self.loss:
                continue
            if self.delay:
                due = time.monotonic() + self.delay
                heapq.heappush(self._late, (due, next(self._numbers), target, packet))
            else:
                _write(target, packet)


def _write(device: int, packet: bytes) -> None:
    with suppress(
        OSError
    ):  # its queue is full, or it is down: as with any wire, the packet is lost
        os.write(device, packet)


def _device(namespace: str, address: str) -> int:
    """Make the device of a namespace; what it sends is read here."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    here = f"air{address.rpartition('.')[2]}"
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", here.encode(), _TUN | _NO_INFO))
    _ip("link", "set", here, "netns", namespace)
    inside = ("-n", namespace)
    _ip(*inside, "link", "set", here, "name", "eth0")
    _ip(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
    for each in ("lo", "eth0"):
        _ip(*inside, "link", "set", each, "up")
    return device


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    air = Air(dict(each.split("=") for each in sys.argv[1:]))
    print("ready", flush=True)
    air.run()
