"""A node over ZMQ that was held up, and asks whether it still belongs to its system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from civitas.launch import Fence

TIMEOUT = 0.3


def held_up(fence: Fence, seconds: float) -> list[str]:
    """Check a fence for so long at most; what was lost."""
    lost: list[str] = []
    until = time.monotonic() + seconds

    def look() -> None:
        if time.monotonic() > until:
            fence.open()

    fence.on_lost, fence.on_held_up = lost.append, look
    fence.check()
    return lost


async def test_a_root_that_is_busy_is_waited_for(end: Callable):
    timeout = 2 * TIMEOUT  # in which a machine that is busy, too, has to make a connection
    root, node = await end(node_timeout=timeout), await end(node_timeout=timeout)
    node.connect(root.address)
    root.connect(node.address).send(b"there")
    await node.has(1)
    fence = Fence()
    root.transport.vouch(lambda address: True)
    node.transport.hold_by(fence, root.address)
    time.sleep(timeout)  # noqa: ASYNC251  # as it was stopped; the loop of both stands, and neither can answer
    assert held_up(fence, 1.5 * timeout) == []


async def test_a_root_that_cannot_be_reached_is_waited_for_as_long_as_it_would_wait(end: Callable):
    node = await end(node_timeout=TIMEOUT)
    fence = Fence()
    node.transport.hold_by(fence, "ipc:///nobody/is/there")
    time.sleep(TIMEOUT)  # noqa: ASYNC251
    began = time.monotonic()
    (why,) = held_up(fence, 20 * TIMEOUT)
    assert "the root could not be reached" in why
    assert time.monotonic() - began > TIMEOUT


@pytest.mark.parametrize("belongs", [True, False])
async def test_it_is_told_whether_it_belongs(end: Callable, belongs: bool):
    root, node = await end(node_timeout=TIMEOUT), await end(node_timeout=TIMEOUT)
    root.transport.vouch(lambda address: belongs and address == node.address)
    dealer = node.transport._dealer()
    dealer.connect(root.address.partition("#")[0])
    dealer.send(b"\x02" + node.address.encode())
    async with asyncio.timeout(10):
        while not dealer.poll(0):
            await asyncio.sleep(0.001)
    assert dealer.recv() == (b"\x01" if belongs else b"\x00")
    dealer.close()
