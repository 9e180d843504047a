"""Messages, their ids, what may be in them, and how they are encoded. Knows nothing of processes."""

from civitas.message.chunks import dump_chunks, load_chunks
from civitas.message.codec import MAX_PAYLOAD, decode, encode
from civitas.message.envelope import check_headers, check_word
from civitas.message.ids import new_id
from civitas.message.message import Message, new_message
from civitas.message.payload import to_plain
from civitas.message.serialization import WIRE_VERSION, Serializer, dumps, loads

__all__ = [
    "MAX_PAYLOAD",
    "WIRE_VERSION",
    "Message",
    "Serializer",
    "check_headers",
    "check_word",
    "decode",
    "dump_chunks",
    "dumps",
    "encode",
    "load_chunks",
    "loads",
    "new_id",
    "new_message",
    "to_plain",
]
