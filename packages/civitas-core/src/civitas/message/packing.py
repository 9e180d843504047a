"""`packing`: MessagePack by packers that are kept, as making one takes longer than packing a small message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

__all__ = ["packing"]

_KEEP_BELOW = 256 * 1024
"""Bytes: a packer holds on to the memory of the largest value it met."""


def packing(**options: Any) -> Callable[[Any], bytes]:
    """A function that packs one value, as `msgpack.packb` does.

    Args:
        **options: Of `msgpack.Packer`.
    """
    # Taking one out of the list and putting it back are atomic: threads, and a finalizer in the middle of a pack, get
    # one each. One that failed is dropped.
    kept: list[msgpack.Packer] = []

    def pack(value: Any) -> bytes:
        try:
            packer = kept.pop()
        except IndexError:
            packer = msgpack.Packer(**options)
        packed: bytes = packer.pack(value)
        if len(packed) < _KEEP_BELOW:
            kept.append(packer)
        return packed

    return pack
