"""Keys as subjects of a bucket: readable, listed by prefix on the server, and no two alike.

A key is cut behind each ``/`` and each ``:``, so that the server can list what begins with a whole part. A cut at ``/``
is a dot, one at ``:`` is ``=.``. ASCII letters, digits, ``-`` and ``_`` stand for themselves, an empty part is ``=_``,
and each other byte of the key's UTF-8 is ``=`` and two hexadecimal digits: ``civitas:step:a b/1`` is
``civitas=.step=.a=20b.1``.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["LONG", "digest_of", "key_of_subject", "listing_of", "subject_of", "written"]

LONG = "=long"
"""First token of the subjects of keys that are too long to be one; such a key stands in a header."""

_LONGEST = 1024  # bytes of a subject; the server cuts a connection that sends a line of 4 KiB
_OTHER = re.compile(rb"[^A-Za-z0-9_-]")
_EMPTY = "=_"


def subject_of(key: str) -> str:
    """The subject of a key, behind that of its bucket."""
    subject = written(key)
    return subject if len(subject) <= _LONGEST else f"{LONG}.{digest_of(key)}"


def written(key: str) -> str:
    """A key of any length in ASCII, dots between its parts."""
    tokens = []
    for part in re.split(r"(?<=[/:])", key):
        colon = part.endswith(":")
        token = _escape(part[:-1] if part.endswith(("/", ":")) else part)
        tokens.append(f"{token}=" if colon else token or _EMPTY)
    return ".".join(tokens)


def key_of_subject(subject: str) -> str | None:
    """The key that is written so; None if no key is."""
    parts = []
    *cut, last = subject.split(".")
    for token in cut:
        colon = token.endswith("=")
        parts += [_unescape(token[:-1] if colon else token), ":" if colon else "/"]
    parts.append(_unescape(last))
    try:
        key = "".join(parts).encode("latin-1").decode()
    except UnicodeError:
        return None
    return key if subject == written(key) else None


def listing_of(prefix: str) -> str:
    """A filter for the subjects of all keys that begin with `prefix`, and perhaps of others; not of long ones."""
    end = max(prefix.rfind("/"), prefix.rfind(":")) + 1
    whole = written(prefix[:end]).rpartition(".")[0] if end else ""
    return f"{whole}.>" if whole and len(whole) <= _LONGEST else ">"


def digest_of(key: str) -> str:
    """What stands for a key where its length must be bounded."""
    return hashlib.sha256(key.encode()).hexdigest()


def _escape(part: str) -> str:
    return _OTHER.sub(lambda found: b"=%02X" % found[0][0], part.encode()).decode()


def _unescape(token: str) -> str:
    if token == _EMPTY:
        return ""
    return re.sub(r"=([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), token)
