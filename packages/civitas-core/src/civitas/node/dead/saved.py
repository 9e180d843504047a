"""`SavedLetters`: the dead letters that the root keeps, in a state store that outlives it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from civitas.message import dumps, loads
from civitas.node.dead.kept import KeptLetter, KeptLetters
from civitas.runs.records import KeptBytes
from civitas.state import InMemoryStateStore, StateStore
from civitas.state.in_order import is_piece, keys_of_pieces, piece_key, read_many, write_in_order

__all__ = ["SavedLetters", "drop_letter", "read_letters"]

logger = logging.getLogger("civitas")

_DEAD = "civitas:dead:"
"""What the keys of dead letters begin with; their number follows."""
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


def _key(number: int) -> str:
    """The key of a dead letter."""
    return f"{_DEAD}{number:016d}"


async def read_letters(store: Any) -> list[KeptLetter]:
    """The dead letters in a store that lists its keys, the oldest first; what cannot be read is passed over and logged.

    Raises:
        StateStoreError: The store cannot be read.
    """
    keys = [key for key in await store.keys(_DEAD) if not is_piece(key)]
    found: list[KeptLetter] = []
    for begin in range(0, len(keys), _AT_ONCE):
        for key, kept in (await read_many(store, keys[begin : begin + _AT_ONCE])).items():
            try:
                found.append(await _letter(store, key, kept))
            except Exception as error:
                logger.warning("the dead letter under %r cannot be read: %s", key, error)
    return sorted(found, key=lambda letter: letter.number)


async def drop_letter(store: Any, number: int) -> bool:
    """Forget one in a store; False if it is not there."""
    key = _key(number)
    if await store.get(key) is None:
        return False
    await write_in_order(store, {}, {key: None}, await keys_of_pieces(store, key), expect={})
    return True


async def _letter(store: Any, key: str, kept: dict[str, Any]) -> KeptLetter:
    body = kept["message"]
    if body is None:
        names = [piece_key(key, str(number)) for number in range(kept["pieces"])]
        pieces = await read_many(store, names)
        body = b"".join(pieces[name]["bytes"] for name in names)
    return KeptLetter(int(key.removeprefix(_DEAD)), kept["reason"], kept["time"], loads(body))


class SavedLetters:
    """Writes the dead letters of a root behind it, many at once, and reads them at the next start.

    A store has as many as are kept in memory. What comes and goes between two writes is never written.

    Args:
        letters: Those in memory.
        store: The store; in one that ends with the program, or cannot list its keys, nothing is written.
    """

    def __init__(self, letters: KeptLetters, store: StateStore) -> None:
        self._letters = letters
        self._store: Any = store
        self._saved: dict[int, int] = {}
        """The numbers of those in the store, each with the pieces that it has."""
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
            found = await read_letters(store)
        except Exception as error:
            logger.warning("the dead letters of earlier runs cannot be read: %s", error)
            found = []
        for letter in found:
            self._saved[letter.number] = len(await keys_of_pieces(store, _key(letter.number)))
            self._letters.put(letter)
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
        counts: dict[int, int] = {}
        for each in letters:
            key = _key(each.number)
            content = KeptBytes.of(key, dumps(each.message))
            pieces |= content.pieces
            counts[each.number] = len(content.pieces)
            heads[key] = {
                "reason": each.reason,
                "time": each.time,
                "message": content.inline,
                "pieces": len(content.pieces),
            }
        await write_in_order(self._store, pieces, heads, (), expect={})
        self._saved |= counts

    async def _drop(self, numbers: Sequence[int]) -> None:
        heads = dict.fromkeys(map(_key, numbers))
        pieces = [
            piece_key(_key(number), str(place))
            for number in numbers
            for place in range(self._saved[number])
        ]
        await write_in_order(self._store, {}, heads, pieces, expect={})
        for number in numbers:
            del self._saved[number]


def _parts(of: Sequence[Any]) -> Any:
    return (of[begin : begin + _AT_ONCE] for begin in range(0, len(of), _AT_ONCE))
