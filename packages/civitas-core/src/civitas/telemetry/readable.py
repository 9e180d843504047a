"""Text of others where a person reads it: names, conversations, types, errors."""

from __future__ import annotations

import logging

from civitas.telemetry.logs import place_of

__all__ = ["MOST", "ReadableFormatter", "cut", "ends_of", "escaped", "placed"]

MOST = 20_000
"""Characters of an error, and of a traceback, that a person is shown."""

_MORE = "…"


def escaped(text: str) -> str:
    r"""`text` on one line, with what a screen would obey written out.

    Line breaks, control characters and marks that turn the direction of writing become their escapes, such as ``\n``
    or ``\u202e``, so that nobody can write over what is beside them.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


class ReadableFormatter(logging.Formatter):
    """Writes log records with each of their lines escaped, and where they come from; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        first, *more = map(escaped, super().format(record).split("\n"))
        return "\n".join([placed(first, record), *more])


def placed(line: str, record: logging.LogRecord) -> str:
    """The first line of a record, with where it comes from behind."""
    place = place_of(record)
    return f"{line} ({escaped(place)})" if place else line


def cut(text: str, most: int = 64) -> str:
    """`text`, escaped, with `most` characters at most; what is left out is left out of its middle.

    The two ends of an id tell it from others of its kind.
    """
    text = escaped(text)
    if len(text) <= most:
        return text
    behind = (most - 1) // 2
    return f"{text[: most - 1 - behind]}{_MORE}{text[len(text) - behind :]}"


def ends_of(text: str, most: int = MOST) -> str:
    """`text` as it is, or its two ends, `most` characters together, and how many were left out between them."""
    more = len(text) - most
    if more <= 0:
        return text
    return f"{text[: most // 2]}{_MORE} ({more:,} characters left out) {_MORE}{text[len(text) - most // 2 :]}"
