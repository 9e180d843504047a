"""`SavedLetters`: the dead letters that the root keeps, in a state store that outlives it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from civitas.message import dumps, loads
from civitas.node.dead.kept import KeptLetter, KeptLetters
from civitas.runs.records import KeptBytes
from civitas.state import InMemoryStateStore, StateStore
from civitas.state.in_order import is_piece, piece_key, read_many, write_in_order

__all__ = ["SavedLetter", "SavedLetters", "drop_letter", "read_letters"]

logger = logging.getLogger("civitas")

_DEAD = "civitas:dead:"
"""What the keys of dead letters begin with; the name of their system follows, and their number."""
_PAUSE = 0.2
"""Seconds in which dead letters gather before they are written together."""
_SHARE = 10
"""A write that took so long is followed by a pause of so many times that: a flood leaves the store to the agents."""
_AFTER_FAILURE = 5.0
"""Seconds before a store is tried again that took none."""
_LAST_WORDS = 2.0
"""Seconds for the last ones to be written when the system stops."""
_AT_ONCE = 200
"""Keys that are read or written together."""


@dataclass(frozen=True, slots=True)
class SavedLetter:
    """A dead letter in a store.

    Attributes:
        letter: It.
        key: Under which it is.
        pieces: In how many pieces its message is; 0 if it stands there, too.
    """

    letter: KeptLetter
    key: str
    pieces: int

    @property
    def keys_of_pieces(self) -> list[str]:
        """The keys of these."""
        return [piece_key(self.key, str(number)) for number in range(self.pieces)]


async def read_letters(store: Any, system: str) -> list[SavedLetter]:
    """The dead letters of a system in a store that lists its keys; what cannot be read is passed over and logged.

    Two programs of the same name that used one store may have given a number twice: then the second gets another.

    Raises:
        StateStoreError: The store cannot be read.
    """
    prefix = f"{_DEAD}{system}/"
    keys = sorted(key for key in await store.keys(prefix) if not is_piece(key))
    numbers = [int(key.removeprefix(prefix).partition("/")[0]) for key in keys]
    found: list[SavedLetter] = []
    seen: set[int] = set()
    last = max(numbers, default=0)
    for begin in range(0, len(keys), _AT_ONCE):
        some = keys[begin : begin + _AT_ONCE]
        kept = await read_many(store, some)
        for key, given in zip(some, numbers[begin : begin + _AT_ONCE], strict=True):
            last += given in seen
            number = last if given in seen else given
            seen.add(number)
            try:
                found.append(await _read(store, key, number, kept[key]))
            except Exception as error:
                logger.warning("the dead letter under %r cannot be read: %r", key, error)
    return sorted(found, key=lambda each: each.letter.number)


async def drop_letter(store: Any, saved: SavedLetter) -> None:
    """Forget one in a store."""
    await write_in_order(store, {}, {saved.key: None}, saved.keys_of_pieces, expect={})


async def _read(store: Any, key: str, number: int, kept: dict[str, Any]) -> SavedLetter:
    body, pieces = kept["message"], kept["pieces"]
    if body is None:
        names = [piece_key(key, str(place)) for place in range(pieces)]
        parts = await read_many(store, names)
        body = b"".join(parts[name]["bytes"] for name in names)
    return SavedLetter(KeptLetter(number, kept["reason"], kept["time"], loads(body)), key, pieces)


class SavedLetters:
    """Writes the dead letters of a root behind it, many at once, and reads them at the next start.

    A store has as many as are kept in memory. What comes and goes between two writes is never written.

    Args:
        letters: Those in memory.
        store: The store; in one that ends with the program, or cannot list its keys, nothing is written.
        system: Name of the system: others may use the same store.
    """

    def __init__(self, letters: KeptLetters, store: StateStore, system: str) -> None:
        self._letters = letters
        self._store: Any = store
        self._system = system
        self._mark = ""
        """Of this life of the system, by which its keys are those of no other."""
        self._saved: dict[int, SavedLetter] = {}
        """Those in the store, by their numbers."""
        self._changes = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failed = False

    async def load(self) -> None:
        """Read what earlier programs kept, and write what comes from now on."""
        self._letters.clear()
        self._saved.clear()
        store = self._store
        if (
            not self._letters.most
            or isinstance(store, InMemoryStateStore)
            or not callable(getattr(store, "keys", None))
        ):
            return
        try:
            found = await read_letters(store, self._system)
        except Exception as error:
            logger.warning("the dead letters of earlier runs cannot be read: %s", error)
            found = []
        for each in found:
            self._saved[each.letter.number] = each
            self._letters.put(each.letter)
        self._mark = uuid.uuid4().hex[:8]
        self._changes.clear()
        self._letters.changed = self._changes.set
        self._task = asyncio.get_running_loop().create_task(self._write_for_ever())

    async def close(self) -> None:
        """Write the last ones, and nothing more."""
        task, self._task = self._task, None
        self._letters.changed = lambda: None
        if task is None:
            return
        task.cancel()
        await asyncio.wait({task})
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._write()
        except Exception as error:
            logger.warning(
                "the last dead letters could not be written to the state store: %r", error
            )

    async def _write_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._changes.wait()
            await asyncio.sleep(_PAUSE)
            self._changes.clear()
            began = loop.time()
            try:
                await self._write()
            except Exception as error:
                if not self._failed:
                    logger.warning(
                        "dead letters could not be written to the state store, and stay in memory; it is tried again "
                        "every %g s: %s",
                        _AFTER_FAILURE,
                        error,
                    )
                self._failed = True
                self._changes.set()
                await asyncio.sleep(_AFTER_FAILURE)
            else:
                if self._failed:
                    logger.warning("dead letters are written to the state store again")
                self._failed = False
                await asyncio.sleep(_SHARE * (loop.time() - began))

    async def _write(self) -> None:
        """Bring the store to what is in memory."""
        gone = [number for number in self._saved if number not in self._letters]
        for some in _parts(gone):
            await self._drop(some)
        for some in _parts(
            [each for each in self._letters.all() if each.number not in self._saved]
        ):
            await self._add(some)

    async def _add(self, letters: Sequence[KeptLetter]) -> None:
        heads: dict[str, dict[str, Any] | None] = {}
        pieces: dict[str, dict[str, Any]] = {}
        saved: dict[int, SavedLetter] = {}
        for each in letters:
            key = f"{_DEAD}{self._system}/{each.number:016d}/{self._mark}"
            content = KeptBytes.of(key, dumps(each.message))
            pieces |= content.pieces
            saved[each.number] = SavedLetter(each, key, len(content.pieces))
            heads[key] = {
                "reason": each.reason,
                "time": each.time,
                "message": content.inline,
                "pieces": len(content.pieces),
            }
        await write_in_order(self._store, pieces, heads, (), expect={})
        self._saved |= saved

    async def _drop(self, numbers: Sequence[int]) -> None:
        gone = [self._saved[number] for number in numbers]
        heads = dict.fromkeys(each.key for each in gone)
        pieces = [key for each in gone for key in each.keys_of_pieces]
        await write_in_order(self._store, {}, heads, pieces, expect={})
        for number in numbers:
            del self._saved[number]


def _parts(of: Sequence[Any]) -> Any:
    return (of[begin : begin + _AT_ONCE] for begin in range(0, len(of), _AT_ONCE))
