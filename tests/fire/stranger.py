"""Somebody on this machine who knows every address of a system and speaks its protocol."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgpack

from civitas.cluster.frames import pack, unpacked
from civitas.transport.zmq import ZmqTransport
from civitas.transport.zmq.keys import Keys

__all__ = ["LOOPBACK", "addresses", "mutated", "recorded", "stranger", "unsigned"]

LOOPBACK = "tcp://127.0.0.1:*"
_ODD: list[Any] = [None, -1, 2**63, 1.5, "", "x" * 5000, b"\xff" * 40, [], {}, [[]], {"v": 1}, True]
_KEPT = 400


@asynccontextmanager
async def stranger(keys: Keys | None = None) -> AsyncIterator[ZmqTransport]:
    """A transport that belongs to no system, whatever keys it has."""
    transport = ZmqTransport(address=LOOPBACK, keys=keys, node_timeout=5.0)
    await transport.open(lambda _frame: None)
    try:
        yield transport
    finally:
        await transport.close()


def addresses(root: Any) -> list[str]:
    """Where the root and its workers are reached."""
    return [root.transport.address, *(peer.address for peer in root.peers.values())]


@asynccontextmanager
async def recorded() -> AsyncIterator[list[bytes]]:
    """The frames that come to the nodes of this process meanwhile, the last of them."""
    frames: list[bytes] = []
    true_open = ZmqTransport.open

    async def open(
        self: ZmqTransport, receive: Callable[[bytes | memoryview], None], *more: Any
    ) -> None:
        def record(frame: bytes | memoryview) -> None:
            if len(frames) >= _KEPT:
                del frames[0]
            if frame:
                frames.append(bytes(frame))
            receive(frame)

        await true_open(self, record, *more)

    ZmqTransport.open = open  # type: ignore[method-assign, assignment]
    try:
        yield frames
    finally:
        ZmqTransport.open = true_open  # type: ignore[method-assign]


def mutated(frame: bytes, frames: list[bytes], chance: random.Random) -> bytes:
    """A frame that is not quite that one: in its bytes, or in its fields."""
    raw = bytearray(frame)
    match chance.randrange(6):
        case 0:  # bits
            for _ in range(chance.randint(1, 8)):
                raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        case 1:  # its end is missing
            del raw[chance.randrange(len(raw)) :]
        case 2:  # the beginning of one, the end of another
            other = chance.choice(frames)
            raw[chance.randrange(len(raw)) :] = other[chance.randrange(len(other)) :]
        case 3:  # rubbish in the middle
            at = chance.randrange(len(raw))
            raw[at:at] = chance.randbytes(chance.randint(1, 200))
        case 4:  # nothing but rubbish
            raw[:] = chance.randbytes(chance.randint(0, 300))
        case _:
            return _with_an_odd_field(frame, chance)
    return bytes(raw)


def unsigned(frame: bytes, boots: Iterable[str]) -> bytes:
    """With boot ids that no node has: who knows that of a member can do what that member does."""
    for boot in boots:
        frame = frame.replace(boot.encode(), b"s" * len(boot))
    return frame


def _with_an_odd_field(frame: bytes, chance: random.Random) -> bytes:
    try:
        kind, boot, *fields = unpacked(frame)
    except Exception:
        return frame[::-1]
    whole = [chance.choice([kind, chance.randrange(30)]), boot, *fields]
    if chance.random() < 0.3:
        del whole[chance.randrange(len(whole)) :]
    elif fields:
        whole[chance.randrange(2, len(whole))] = chance.choice(_ODD)
    if whole and isinstance(whole[0], int) and len(whole) > 1:
        return pack(whole[0], *whole[1:])  # type: ignore[arg-type]
    return bytes(msgpack.packb(whole))
