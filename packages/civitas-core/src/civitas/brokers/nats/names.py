"""Names as NATS can take them: in subjects, and in the names of buckets, streams and consumers."""

from __future__ import annotations

import hashlib
import re

__all__ = ["token_of"]

_MISREAD = re.compile(rb"[^A-Za-z0-9_-]")
_LONGEST = 128
_BEGINNING = 48
"""Characters of a name that is too long which people are still to see."""


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
