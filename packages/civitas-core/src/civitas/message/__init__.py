"""Messages, their ids, what may be in them, and how they are encoded. Knows nothing of processes."""

from civitas.message.codec import MAX_PAYLOAD, decode, encode
from civitas.message.ids import new_id
from civitas.message.message import Message, new_message
from civitas.message.payload import to_plain

__all__ = ["MAX_PAYLOAD", "Message", "decode", "encode", "new_id", "new_message", "to_plain"]
