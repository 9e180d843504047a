"""What became of an ask, as the tests read it."""

from __future__ import annotations

import time
from typing import Any

from civitas.errors import CivitasError

__all__ = ["outcome"]


async def outcome(asking: Any) -> dict[str, Any]:
    """What became of an ask, as plain data."""
    began = time.monotonic()
    try:
        reply = await asking
    except CivitasError as error:
        return {
            "error": type(error).__name__,
            "text": str(error),
            "facts": {key: _plain(value) for key, value in vars(error).items()},
            "traceback": getattr(error, "remote_traceback", ""),
            "seconds": time.monotonic() - began,
        }
    if reply is None:
        return {"sent": True}
    return {"type": reply.type, "payload": reply.payload, "sender": reply.sender}


def _plain(value: object) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)
