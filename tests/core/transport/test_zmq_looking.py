"""A node is looked into over ZMQ, whatever its event loop does."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

import pytest

from civitas.transport.zmq.keys import Keys
from civitas.transport.zmq.transport import ZmqTransport

LOOPBACK = "tcp://127.0.0.1:*"


@pytest.mark.promise(id="SEM-1722")
async def test_a_node_is_looked_into_while_its_event_loop_is_blocked_and_loses_nothing():
    keys, opened, free = Keys.new(), threading.Event(), threading.Event()
    there = ZmqTransport(address=LOOPBACK, keys=keys)
    loop = asyncio.get_running_loop()
    began: asyncio.Future[None] = loop.create_future()
    arrived: list[bytes] = []

    async def other() -> None:
        all_: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def receive(frame: Any) -> None:
            arrived.append(bytes(frame))
            if frame == b"first":
                loop.call_soon_threadsafe(began.set_result, None)
                free.wait(20)
            elif frame == b"last":
                all_.set_result(None)

        there.let_look(lambda question, most: question.upper())
        await there.open(receive)
        opened.set()
        await all_
        await there.close()

    async with AsyncExitStack() as stack:
        running = stack.enter_context(ThreadPoolExecutor(1)).submit(asyncio.run, other())
        stack.callback(free.set)
        await asyncio.to_thread(opened.wait, 20)
        here = ZmqTransport(address=LOOPBACK, keys=keys)
        await here.open(lambda frame: None)
        stack.push_async_callback(here.close)
        link = here.connect(there.address)
        link.send(b"first")
        await began
        for n in range(300):
            link.send(b"%d" % n)
        looks = [here.look(there.address, b"what %d" % n, 20) for n in range(3)]
        assert await asyncio.gather(*looks) == [b"WHAT 0", b"WHAT 1", b"WHAT 2"]
        assert arrived == [b"first"]
        free.set()
        link.send(b"last")
        await asyncio.wrap_future(running)
    assert arrived == [b"first", *(b"%d" % n for n in range(300)), b"last"]


@pytest.mark.promise(id="SEM-1722")
async def test_a_node_that_turns_is_looked_into_too_and_one_that_is_gone_is_known_in_time():
    async with AsyncExitStack() as stack:
        here, there = ZmqTransport(address=LOOPBACK), ZmqTransport(address=LOOPBACK)
        for each in (here, there):
            await each.open(lambda frame: None)
            stack.push_async_callback(each.close)
        assert await here.look(there.address, b"what", 0.01) is None
        there.let_look(lambda question, most: question.upper())
        assert await here.look(there.address, b"what", 20) == b"WHAT"
        there.let_look(None)
        assert await here.look(there.address, b"what", 0.01) is None
        assert await here.look(None, b"what", 20) is None
