"""`Large`: many bytes that are not copied together before somebody needs them so.

A copy of 64 MiB takes tens of milliseconds, in which an event loop does nothing else. A payload stands in a message,
and that in a frame: packed with `msgpack` alone it would be copied two times for each of them, in one turn.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import msgpack

__all__ = [
    "LARGE",
    "Buffer",
    "Large",
    "pack_array",
    "pack_bytes",
    "pack_map",
    "unpack_array",
    "unpack_map",
]

LARGE = 1024 * 1024
"""Bytes from which on a value is not copied where that can be avoided. Below it costs more to look than to copy."""

Buffer: TypeAlias = bytes | memoryview

_BIN32 = 0xC6
_BIN32_HEAD = struct.Struct(">BI")
_FIRST = 4096
"""Bytes that are looked at first for what stands before a large value."""


class Large:
    """Bytes in parts, none of which is copied.

    Args:
        *parts: In order.
    """

    __slots__ = ("_length", "parts")

    def __init__(self, *parts: Buffer) -> None:
        self.parts = parts
        self._length = sum(map(len, parts))

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)

    def __getitem__(self, where: slice) -> bytes:
        """A copy of the bytes from `where.start` to `where.stop`, as of `bytes`; both are needed."""
        start, stop = where.start, min(where.stop, self._length)
        found: list[Buffer] = []
        at = 0
        for part in self.parts:
            if start < at + len(part) and at < stop:
                found.append(memoryview(part)[max(0, start - at) : stop - at])
            at += len(part)
        return b"".join(found)

    @property
    def buffer(self) -> Buffer:
        """All of it, copied only if it has several parts."""
        return self.parts[0] if len(self.parts) == 1 else bytes(self)


def pack_bytes(value: bytes) -> bytes:
    """Pack large bytes, with one copy; `msgpack` makes two."""
    return b"".join((_BIN32_HEAD.pack(_BIN32, len(value)), value))


def pack_array(values: Iterable[Any], **options: Any) -> Large:
    """Pack an array of which some values may be `Large`; these become bytes in it."""
    values = tuple(values)
    return _pack(msgpack.Packer().pack_array_header(len(values)), values, options)


def pack_map(values: dict[str, Any]) -> Large:
    """Pack a map of which some values may be large; see `pack_array`."""
    flat = [each for item in values.items() for each in item]
    return _pack(msgpack.Packer().pack_map_header(len(values)), flat, {})


def _pack(head: bytes, values: Iterable[Any], options: dict[str, Any]) -> Large:
    parts: list[Buffer] = []
    small = [head]
    for each in values:
        value = Large(each) if type(each) is bytes and len(each) > LARGE else each
        if type(value) is Large:
            small.append(_BIN32_HEAD.pack(_BIN32, len(value)))
            parts += (b"".join(small), *value.parts)
            small = []
        else:
            small.append(msgpack.packb(value, **options))
    return Large(*parts, b"".join(small))


def unpack_array(raw: Buffer | Large, **options: Any) -> list[Any]:
    """Unpack an array; what is large in it, and bytes, is a `Large` part of `raw`, and not copied.

    Args:
        raw: The array.
        **options: Of `msgpack.Unpacker`.

    Raises:
        ValueError: It is none, or not whole.
    """
    view = _view(raw)
    unpacker = msgpack.Unpacker()
    unpacker.feed(view[:_FIRST])
    count = unpacker.read_array_header()
    return _exactly(count, _values(view, unpacker.tell(), options))


def unpack_map(raw: Buffer | Large, **options: Any) -> dict[Any, Any]:
    """Unpack a map; see `unpack_array`."""
    view = _view(raw)
    unpacker = msgpack.Unpacker()
    unpacker.feed(view[:_FIRST])
    count = unpacker.read_map_header()
    flat = _exactly(2 * count, _values(view, unpacker.tell(), options))
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _view(raw: Buffer | Large) -> memoryview:
    return memoryview(raw.buffer if type(raw) is Large else raw)  # type: ignore[arg-type]


def _exactly(count: int, values: Iterator[Any]) -> list[Any]:
    found = list(values)
    if len(found) != count:
        raise ValueError(f"it has {len(found)} values and should have {count}")
    return found


def _values(view: memoryview, at: int, options: dict[str, Any]) -> Iterator[Any]:
    """The values that stand one behind the other from `at` on."""
    unpacker: msgpack.Unpacker | None = None
    began = fed = at
    while at < len(view):
        if view[at] == _BIN32:
            _, size = _BIN32_HEAD.unpack_from(view, at)
            start = at + _BIN32_HEAD.size
            at = start + size
            if at > len(view):
                raise ValueError("it is not whole")
            value = view[start:at]
            yield Large(value) if size > LARGE else bytes(value)
            unpacker = None
            continue
        if unpacker is None:
            unpacker = msgpack.Unpacker(max_buffer_size=len(view), **options)
            began = fed = at
        while True:
            try:
                yield unpacker.unpack()
                break
            except msgpack.OutOfData:
                if fed == len(view):
                    raise ValueError("it is not whole") from None
                more = max(_FIRST, fed - began)
                unpacker.feed(view[fed : fed + more])
                fed = min(fed + more, len(view))
        at = began + unpacker.tell()
