"""What a client of NATS sends, as bytes, and what a server says in the header of a message."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["header", "publication", "status"]

_VERSION = "NATS/1.0"
_BREAKS = str.maketrans("\r\n", "  ")


def publication(subject: bytes, body: bytes, reply: bytes = b"", head: bytes = b"") -> bytes:
    """A message as a client sends it.

    Args:
        subject: Where to; not checked.
        body: What it carries.
        reply: Where an answer is to go; empty for none.
        head: Made by `header`; empty for none.
    """
    if head:
        whole = len(head) + len(body)
        return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject, reply, len(head), whole, head, body)
    return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(body), body)


def header(id: str, fields: Mapping[str, str]) -> bytes:
    """What stands before a message that JetStream stores.

    Args:
        id: Under which it is stored once; without line breaks.
        fields: What else, whose names must be plain words; a line break in a value becomes a blank.
    """
    head = f"{_VERSION}\r\nNats-Msg-Id: {id}\r\n"
    for name, value in fields.items():
        head += f"{name}: {value.translate(_BREAKS)}\r\n"
    return f"{head}\r\n".encode()


def status(head: bytes) -> tuple[str, Mapping[str, str]]:
    """What a server says instead of a message.

    Returns:
        The number (empty for none), and the fields; the text behind the number is the field ``Description``.
    """
    first, *lines = head.decode(errors="replace").removeprefix(_VERSION).split("\r\n")
    number, _, description = first.strip().partition(" ")
    fields = {"Description": description}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    return number, fields
