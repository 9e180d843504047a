"""What a message says of itself beside its payload, checked when it is made: type, conversation, run and headers."""

from __future__ import annotations

from collections.abc import Mapping

from civitas.errors import ConfigurationError
from civitas.message.payload import check_text

__all__ = ["LONGEST_WORD", "MOST_HEADERS", "REPLAY", "check_headers", "check_word", "shown"]

REPLAY = "civitas-replay"
"""The header of a message that was a dead letter: how often it was put into its mailbox again."""

LONGEST_WORD = 1024
"""Bytes (UTF-8) that a message type, a conversation or the name of a run may have."""

MOST_HEADERS = 64 * 1024
"""Bytes (UTF-8) that the names and values of a sender's headers may have together."""


def check_word(value: object, what: str) -> str:
    """`value` as plain text, if it can be a message type, a conversation or the name of a run.

    Args:
        value: What a user gave.
        what: The keyword it was given for.

    Raises:
        ConfigurationError: It is not text, is empty, or is longer than `LONGEST_WORD`.
        PayloadError: It holds half a character.
    """
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{what} must be text; got {shown(value)} ({type(value).__name__}). Write str(...) of it"
        )
    text = check_text(value, what)
    size = len(text) if text.isascii() else len(text.encode())
    if not 0 < size <= LONGEST_WORD:
        got = f"{size} bytes that begin with {text[:40]!r}" if size else "''"
        raise ConfigurationError(f"{what} must be text of 1 to {LONGEST_WORD} bytes; got {got}")
    return text


def check_headers(headers: object) -> Mapping[str, str]:
    """`headers` with plain text for names and values.

    Raises:
        ConfigurationError: They are not a mapping of text to text, or larger than `MOST_HEADERS`.
        PayloadError: One holds half a character.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            f"headers must be a dict of text to text; got {shown(headers)} ({type(headers).__name__})"
        )
    checked, size = {}, 0
    for name, value in headers.items():
        if not isinstance(name, str):
            raise ConfigurationError(
                f"headers: a name must be text; got {shown(name)} ({type(name).__name__})"
            )
        if not isinstance(value, str):
            raise ConfigurationError(
                f"headers[{shown(name)}] must be text; got {shown(value)} ({type(value).__name__})"
            )
        key = check_text(name, "headers")
        checked[key] = check_text(value, f"headers[{key!r}]")
        size += len(key.encode()) + len(checked[key].encode())
    if size > MOST_HEADERS:
        raise ConfigurationError(
            f"headers may have {MOST_HEADERS} bytes together; these have {size}. "
            "Put long values in the payload"
        )
    return checked


def shown(value: object) -> str:
    """`value` for an error, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
