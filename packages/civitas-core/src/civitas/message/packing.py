"""Packers of MessagePack that are kept: to make one takes longer than to pack what is small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

__all__ = ["KEEP_BELOW", "packing"]

KEEP_BELOW = 256 * 1024
"""Bytes; a packer holds on to the memory of the largest value that it met, so one that met a larger one is not kept."""


def packing(**options: Any) -> Callable[[Any], bytes]:
    """A function that packs values.

    Taking a packer out of the list and putting it back are atomic: threads, and a finalizer in the middle of a pack,
    get one each.

    Args:
        **options: Of `msgpack.Packer`.
    """
    packers: list[msgpack.Packer] = []

    def pack(value: Any) -> bytes:
        try:
            packer = packers.pop()
        except IndexError:
            packer = msgpack.Packer(**options)
        raw: bytes = packer.pack(value)
        if len(raw) < KEEP_BELOW:
            packers.append(packer)
        return raw

    return pack
