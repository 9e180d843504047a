"""Names as NATS can take them: in subjects, and in the names of buckets, streams and consumers."""

from __future__ import annotations

import hashlib
import re

__all__ = ["subjects_of", "system_of", "token_of"]

_MISREAD = re.compile(rb"[^A-Za-z0-9_-]")
_LONGEST = 128
_BEGINNING = 48
"""Characters of a name that is too long which people are still to see."""
_OWN = frozenset(("ack", "beat", "body", "dead", "here", "inbox", "mail", "mbox", "node", "waits"))
"""The words that follow the prefix and the name in the subjects of a system."""


def token_of(name: str) -> str:
    """A name as one token of a subject, which is also a key and part of the name of a bucket or stream.

    What NATS would misread (a dot, a blank, ``*``, ``>``, ``$``, anything beyond ASCII) stands there as the bytes of
    its UTF-8: ``a.b`` is ``a=2Eb``. No two names have the same token.

    Returns:
        1 to 128 characters of ``A-Za-z0-9_-=``. Only a name that is longer ends in a digest.
    """
    raw = name.encode("utf-8", "surrogatepass")
    token = _MISREAD.sub(lambda found: b"=%02X" % found[0][0], raw).decode()
    if not token:
        return "="
    if len(token) <= _LONGEST:
        return token
    # Two signs beside each other stand in no shorter token.
    return f"{token[:_BEGINNING].rstrip('=')}=={hashlib.sha256(raw).hexdigest()}"


def system_of(prefix: str, name: str) -> str:
    """What the names of the streams and buckets of a system begin with, and of no other: ``PREFIX_NAME``.

    A ``_`` in the prefix stands there as its byte, ``=5F``, so that the first one is where the name begins.
    """
    return f"{token_of(prefix).replace('_', '=5F')}_{token_of(name)}"


def subjects_of(prefix: str, name: str) -> str:
    """What the subjects of a system begin with, before a dot, and of no other: ``PREFIX.NAME``.

    The system ``b`` of the prefix ``a`` has subjects such as ``a.b.dead.>``. So a system ``dead`` of the prefix ``a.b``
    is written ``a.b.=64ead``.
    """
    tokens = [*prefix.split("."), token_of(name)]
    return ".".join(
        f"={ord(each[0]):02X}{each[1:]}" if at > 1 and each in _OWN else each
        for at, each in enumerate(tokens)
    )
