"""What travels between two nodes, as frames: a kind, the boot id of the sender, and the fields of that kind.

A peer that does not know a kind passes over it; fields are only ever added at the end. What a frame of an earlier run
of a node says is known by its boot id, and passed over too.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import msgpack

from civitas.message.large import Buffer, Large, pack_array, unpack_array
from civitas.message.packing import packing

__all__ = [
    "CLUSTER_VERSION",
    "Kind",
    "own_version",
    "pack",
    "packed",
    "packed_large",
    "unpacked",
    "unpacked_large",
]

CLUSTER_VERSION = 6
"""Of these frames; nodes of one system must agree on it."""


class Kind(IntEnum):
    """The kinds of frames. Numbers are never given another meaning."""

    HELLO = 1
    """A node asks to join: what it is, a seal."""
    WELCOME = 2
    """The root takes it in: what the root is and has, a seal."""
    REFUSED = 3
    """The root does not take it in: why, a seal."""
    INTRODUCE = 4
    """The first frame to another member: name and address of the sender, a seal."""
    MESSAGE = 10
    """A message for an agent: its name, the message, its asker where that waits, and to how many incarnations it was
    given before; where that asker runs, unless the sender of the frame is that; and whether to say when it is held."""
    ANSWER = 11
    """A reply, and so the end of the request: its id, the reply."""
    REFUSAL = 12
    """There is no reply, and the request is at its end: its id, the error."""
    SETTLED = 13
    """Messages that are finished, by id; their sender may forget them."""
    WITHDRAW = 14
    """Whoever asked is gone: the agent, the id of the request, whether it read a stream."""
    CHUNK = 15
    """A chunk of a stream: the id of the request, the chunk."""
    ROOM = 16
    """A reader took chunks: the id of the request, how many."""
    PROBE = 17
    """Does this wait lead back? The id of the ask, the node of its asker, the way so far."""
    PARCEL = 18
    """What a member cannot send to another one directly, by way of the root: the boot id of that one, the parcel."""
    HOLD = 19
    """A message from one agent of the sender to another one there: to be held for the death of that process."""
    CALL = 20
    """A call: its id, what to do, the arguments."""
    RETURN = 21
    """What became of a call: its id, whether it succeeded, the result or the error."""
    CAST = 22
    """A call that nobody waits for: what to do, the arguments."""
    CANCEL = 23
    """The caller has stopped waiting: the id of the call."""
    HELD = 24
    """The root has messages, by id, and sees to it that they are handled, whatever becomes of their sender."""
    CHUNKS = 25
    """Several small chunks of a stream: the id of the request, the chunks."""
    LATER = 26
    """The place of a process that stands by is taken: by whom, a seal."""


# The text of an error may hold half a character, such as a file name that is not UTF-8; it must travel all the same.
packed: Callable[[tuple[Any, ...]], bytes] = packing(unicode_errors="surrogatepass")
"""Makes a frame of its kind, the boot id of its sender, and its fields; a `TypeError` if one of those is `Large`."""
packed_large: Callable[[tuple[Any, ...]], Large] = partial(
    pack_array, unicode_errors="surrogatepass"
)
"""Makes a frame with a large message in it."""
unpacked: Callable[[Buffer], list[Any]] = partial(
    msgpack.unpackb, strict_map_key=False, unicode_errors="surrogatepass"
)
"""Takes it apart again; raises what msgpack raises where that cannot be done."""

_WITH_A_MESSAGE = frozenset({Kind.MESSAGE, Kind.ANSWER, Kind.CHUNK, Kind.CHUNKS, Kind.HOLD})


@cache
def own_version() -> str:
    """Of civitas-core here. It is looked up once: each introduction has it, and the lookup reads files."""
    return version("civitas-core")


def pack(kind: Kind, boot: str, *fields: Any) -> bytes:
    """Make a frame."""
    return packed((int(kind), boot, *fields))


def unpacked_large(frame: Buffer) -> list[Any]:
    """As `unpacked`; a large message in it is a part of the frame, and not copied."""
    if frame[1] not in _WITH_A_MESSAGE:
        return unpacked(frame)
    return unpack_array(frame, strict_map_key=False, unicode_errors="surrogatepass")
