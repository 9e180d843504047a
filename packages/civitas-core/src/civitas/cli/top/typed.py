"""What somebody types on a terminal: from bytes to keys."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import termios
import tty
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

__all__ = ["Typed", "decoded"]

_SEQUENCES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[H": "home",
    "[F": "end",
    "OH": "home",
    "OF": "end",
    "[1~": "home",
    "[4~": "end",
    "[5~": "page up",
    "[6~": "page down",
}
_SIGNS = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\t": "right"}
_ESCAPE = "\x1b"
_ALONE = 0.05
"""Seconds after which an escape character is the key of that name, and does not begin a sequence."""


def decoded(text: str) -> tuple[list[str], str]:
    """The keys of what was typed, and what may be the beginning of one more.

    A key that writes a character is that character; the others have names, such as `up` or `enter`. Sequences that
    mean nothing here are passed over.
    """
    keys: list[str] = []
    while text:
        if text[0] != _ESCAPE:
            sign, text = text[0], text[1:]
            if sign in _SIGNS or sign.isprintable():
                keys.append(_SIGNS.get(sign, sign))
            continue
        if len(text) == 1 or text[1:] in ("[", "O"):
            return keys, text
        if text[1] not in "[O":
            keys.append("escape")
            text = text[1:]
            continue
        end = 2
        while end < len(text) and not ("@" <= text[end] <= "~"):
            end += 1
        if end == len(text):
            return keys, text
        if (key := _SEQUENCES.get(text[1 : end + 1])) is not None:
            keys.append(key)
        text = text[end + 1 :]
    return keys, ""


class Typed:
    """The keys that are pressed on the terminal of standard input; a context manager.

    Where standard input is not a terminal, none ever is.
    """

    def __init__(self) -> None:
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun = ""
        self._alone: asyncio.TimerHandle | None = None
        self._before: list[Any] | None = None
        self._there = sys.stdin is not None and sys.stdin.isatty()

    def __enter__(self) -> Self:
        if self._there:
            descriptor = sys.stdin.fileno()
            self._before = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor, termios.TCSANOW)
            asyncio.get_running_loop().add_reader(descriptor, self._read, descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._before is None:
            return
        descriptor = sys.stdin.fileno()
        asyncio.get_running_loop().remove_reader(descriptor)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, self._before)
        self._before = None
        if self._alone is not None:
            self._alone.cancel()

    async def next(self) -> str:
        """Wait for a key; see `decoded`."""
        return await self._keys.get()

    def _read(self, descriptor: int) -> None:
        try:
            raw = os.read(descriptor, 4096)
        except OSError:
            raw = b""
        if not raw:  # the terminal is gone
            asyncio.get_running_loop().remove_reader(descriptor)
            self._keys.put_nowait("q")
            return
        if self._alone is not None:
            self._alone.cancel()
        keys, self._begun = decoded(self._begun + self._decode(raw))
        for key in keys:
            self._keys.put_nowait(key)
        if self._begun:
            self._alone = asyncio.get_running_loop().call_later(_ALONE, self._was_alone)

    def _was_alone(self) -> None:
        self._begun = ""
        self._keys.put_nowait("escape")
