"""`emit_chunk`: from an agent to whoever reads its stream."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from civitas.message import Message, encode, new_message

if TYPE_CHECKING:
    from civitas.process.context import Runner

__all__ = ["emit_chunk"]


def emit_chunk(
    runner: Runner,
    request: Message,
    payload: Any,
    message_type: str,
    headers: Mapping[str, str] | None,
) -> Awaitable[object] | None:
    """Hand one chunk to whoever reads the stream that `request` began; nothing if nobody does.

    Returns:
        What to wait for, as the reader is behind; None if it was taken at once.

    Raises:
        PayloadError: `payload` cannot be sent.
    """
    if not request.wants_chunks:
        return None
    request = runner.now.in_hand(request)
    to, conversation = request.reply_to or "", request.conversation
    chunk = new_message(
        message_type,
        runner.name,
        to,
        encode(payload),
        None,
        request.id,
        None,
        conversation,
        headers,
    )
    return runner.node.emit(request, chunk)
