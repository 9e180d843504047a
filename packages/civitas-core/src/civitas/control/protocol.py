"""Requests and answers on the socket: MessagePack with its length before it."""

from __future__ import annotations

import asyncio
from typing import Any

from civitas.errors import ConfigurationError
from civitas.message import MAX_PAYLOAD, decode, encode

__all__ = ["read", "write"]

_LENGTH = 4


async def read(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next frame.

    Raises:
        asyncio.IncompleteReadError: The other side is gone.
        ConfigurationError: What arrived is not a frame.
    """
    size = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    if size > MAX_PAYLOAD:
        raise ConfigurationError(f"received a frame of {size:,} bytes; is that a Civitas client?")
    raw = await reader.readexactly(size)
    try:
        frame = decode(raw)
    except Exception as error:  # text that is not a Decimal does not raise a ValueError
        raise ConfigurationError(
            f"received something that is not a Civitas frame ({error})"
        ) from error
    if not isinstance(frame, dict):
        raise ConfigurationError("received something that is not a Civitas frame")
    return frame


async def write(writer: asyncio.StreamWriter, frame: dict[str, Any]) -> None:
    """Send a frame.

    Raises:
        PayloadError: It holds what cannot be sent, or is too large; nothing was sent.
    """
    raw = encode(frame, "frame")
    writer.write(len(raw).to_bytes(_LENGTH, "big") + raw)
    await writer.drain()
