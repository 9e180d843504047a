"""What code of an agent runs for; also in the threads and the tasks that it starts."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

from civitas.message import Message

__all__ = ["blocks_a_thread", "current_message", "running_loop"]

current_message: ContextVar[Message | None] = ContextVar("civitas_message", default=None)
"""The message that the agent handles: what it sends inherits its conversation and its deadline."""

blocks_a_thread: ContextVar[bool] = ContextVar("civitas_blocks_a_thread", default=False)
"""Whether a plain `def` handler waits in its thread for what runs now."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread; None if none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
