"""A node in an OS process of its own: says its address, and echoes to whoever says theirs."""

from __future__ import annotations

import asyncio
import sys

from civitas.transport.contract import Link
from civitas.transport.zmq import ZmqTransport


async def main(node_timeout: float) -> None:
    transport = ZmqTransport(node_timeout=node_timeout)
    links: list[Link] = []

    def receive(arrived: bytes | memoryview) -> None:
        frame = bytes(arrived)
        word, _, rest = frame.partition(b" ")
        if word == b"answer":
            links[:] = [transport.connect(rest.decode())]
        elif word == b"hold":
            links[0].send(b"holding")
            # In the next turn but one, when that has left; one call of C that keeps the interpreter's lock.
            loop.call_later(0.05, pow, 3, int(rest))
        else:
            links[0].send(frame[:20])

    loop = asyncio.get_running_loop()
    await transport.open(receive)
    print(transport.address, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the test lets go
    await transport.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
