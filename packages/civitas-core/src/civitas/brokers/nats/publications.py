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


def header(fields: Mapping[str, str]) -> bytes:
    """Fields, whose names must be plain words, as they stand before a message; a line break in a value is a blank."""
    lines = [f"{name}: {value.translate(_BREAKS)}" for name, value in fields.items()]
    return "\r\n".join((_VERSION, *lines, "", "")).encode()


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
