"""`Ledger`: the runs in a state store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from civitas.errors import StateStoreError
from civitas.message import Message, dumps, loads
from civitas.runs.listing_store import with_listing
from civitas.runs.records import ACCEPTED, ENDED, NAMED, AcceptedRun, EndedRun, KeptBytes, order_in
from civitas.state import StateStore
from civitas.state.in_order import is_piece, read_many, write_in_order
from civitas.state.patience import patiently
from civitas.state.store import BatchStore, offers

__all__ = ["Ledger"]

_STOPPED = "civitas:runs:stopped"
"""Key of a note that the last program stopped by itself, in a store that says nothing else of it."""
_LOOKS = 3
"""How often a run is looked for that another program may be about to end."""
_AT_ONCE = 200
"""Keys that are read or dropped together."""


class Ledger:
    """The runs in a state store.

    Whoever accepts a run writes one record, and whoever ends it one more in its place; a store that shares commits lets
    many share them. Where the sender gave a name, that leads to the record.

    Args:
        store: The store: with batches and keys, or with three methods.
    """

    def __init__(self, store: StateStore) -> None:
        self._store: Any = with_listing(store)

    @property
    def guards_names(self) -> bool:
        """Whether the store itself refuses a name that is taken."""
        return offers(self._store, BatchStore)

    async def accept(self, run: AcceptedRun, message: Message) -> None:
        """Keep a run; it is durable when this returns.

        Raises:
            StateConflict: Its name is taken.
            StateStoreError: It was not kept.
        """
        content = KeptBytes.of(run.key, dumps(message))
        heads = {run.key: run.plain(content)}
        if not run.named and not content.pieces:
            await patiently(lambda: self._store.set(run.key, heads[run.key]), run.agent)
            return
        expect = {}
        if run.named:
            name = NAMED + run.run
            heads[name] = {"at": run.key}
            if self.guards_names:
                expect[name] = 0
        await patiently(
            lambda: write_in_order(self._store, content.pieces, heads, (), expect=expect),
            run.agent,
        )

    async def count(self, run: AcceptedRun, message: Message) -> None:
        """Keep to how many incarnations a run was given."""
        await self._store.set(run.key, run.plain(KeptBytes.of(run.key, dumps(message))))

    async def end(self, run: AcceptedRun, ended: EndedRun) -> None:
        """Keep how a run ended, in the place of the run.

        Raises:
            StateStoreError: It was not kept.
        """
        content = KeptBytes.of(ended.key, ended.reply or b"")
        if ended.reply is None:
            content = KeptBytes()
        heads: dict[str, dict[str, Any] | None] = {ended.key: ended.plain(content)}
        if run.named:
            heads[NAMED + run.run] = {"at": ended.key}
        heads[run.key] = None
        await patiently(
            lambda: write_in_order(self._store, content.pieces, heads, run.piece_keys, expect={}),
            run.agent,
        )

    async def message(self, run: AcceptedRun) -> Message:
        """The message of a run.

        Raises:
            StateStoreError: It is not there, or cannot be read.
        """
        kept = await self._store.get(run.key)
        if kept is None:
            raise StateStoreError(
                "its message is not in the state store any more; send it again", key=run.key
            )
        return loads(await self._content(kept.get("message"), run.piece_keys))

    async def answered(self, ended: EndedRun) -> EndedRun:
        """How a run ended, with its answer."""
        if ended.failure is not None or ended.reply is not None:
            return ended
        kept = await self._store.get(ended.key) or {}
        # Of how many pieces it is, only the store knows: a run that has just ended was never read from there.
        there = replace(ended, pieces=kept.get("pieces", 0))
        return replace(there, reply=await self._content(kept.get("reply"), there.piece_keys))

    async def steps_of(self, ended: EndedRun) -> tuple[Mapping[str, Any], ...]:
        """The steps of a run that has ended, as in `RunInfo`."""
        kept = await self._store.get(ended.key) or {}
        return tuple(kept.get("steps", ()))

    async def find(self, name: str) -> AcceptedRun | EndedRun | None:
        """The run of a name."""
        for _ in range(_LOOKS):
            key: str | None = (await self._store.get(NAMED + name) or {}).get("at")
            if key is None:
                keys = [*await self._keys(ACCEPTED), *await self._keys(ENDED)]
                found = (each for each in reversed(keys) if each.partition("/")[2] == name)
                key = next(found, None)
            if key is None:
                return None
            if (kept := await self._store.get(key)) is not None:
                return _read(key, kept)
        return None  # otherwise it ended between two looks, and is elsewhere now

    async def ended_among(self, names: Collection[str]) -> list[EndedRun]:
        """Those of these runs that have ended, with their answers."""
        keys = [key for key in await self._keys(ENDED) if key.partition("/")[2] in names]
        return [
            await self.answered(EndedRun.read(key, kept)) async for key, kept in self._read(keys)
        ]

    async def unfinished(self) -> list[AcceptedRun]:
        """The runs that are not finished, in the order they were accepted."""
        keys = await self._keys(ACCEPTED)
        over = set()
        if keys and not self.guards_names:
            # It may have been killed between two writes of which one alone says that a run has ended.
            over = {key.partition("/")[2] for key in await self._keys(ENDED)}
        found: list[AcceptedRun] = []
        async for key, kept in self._read(keys):
            run = AcceptedRun.read(key, kept)
            if run.run in over:
                await write_in_order(self._store, {}, {key: None}, run.piece_keys, expect={})
            else:
                found.append(run)
        return found

    async def ended(self, most: int) -> list[EndedRun]:
        """The runs that ended last, without their answers, in the order they ended."""
        keys = (await self._keys(ENDED))[-most:]
        return [EndedRun.read(key, kept).without_reply() async for key, kept in self._read(keys)]

    async def ended_after(self, ended: EndedRun) -> list[EndedRun]:
        """The runs that ended behind one, without their answers, in the order they ended."""
        keys = [key for key in await self._keys(ENDED) if order_in(key) > ended.order]
        return [EndedRun.read(key, kept).without_reply() async for key, kept in self._read(keys)]

    async def drop(self, before: float) -> int:
        """Drop what ended before `before` (Unix seconds); returns how many runs that were."""
        keys = [key for key in await self._keys(ENDED) if order_in(key) < before * 1e9]
        async for key, kept in self._read(keys):
            await self.forget(EndedRun.read(key, kept))
        return len(keys)

    async def forget(self, ended: EndedRun) -> None:
        """Drop what is kept of a run that is over."""
        heads = {NAMED + ended.info.run: None} if ended.named else {}
        gone = {**heads, ended.key: None}
        await write_in_order(self._store, {}, gone, ended.piece_keys, expect={})

    async def free(self, ended: EndedRun) -> None:
        """Let another run have the name of one that is over."""
        await self._store.delete(NAMED + ended.info.run)

    async def note_stop(self) -> None:
        """The program stops by itself: no run was in hand of a program that was killed."""
        await self._store.set(_STOPPED, {"at": time.time()})

    async def was_stopped(self) -> bool:
        """Whether the last program stopped by itself; asked once by each."""
        stopped = await self._store.get(_STOPPED) is not None
        if stopped:
            await self._store.delete(_STOPPED)
        return stopped

    async def _keys(self, prefix: str) -> list[str]:
        return [key for key in await self._store.keys(prefix) if not is_piece(key)]

    async def _read(self, keys: Sequence[str]) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        for some in _parts(keys):
            found = await read_many(self._store, some)
            for key in some:
                if key in found:
                    yield key, found[key]

    async def _content(self, inline: bytes | None, pieces: Sequence[str]) -> bytes:
        if not pieces:
            return inline or b""
        found = await read_many(self._store, pieces)
        if len(found) < len(pieces):
            raise StateStoreError(
                f"of {len(pieces)} pieces of what is kept of a run only {len(found)} are in the state store; "
                "restore it from a backup, or cancel the run",
                key=pieces[0],
            )
        return b"".join(found[key]["bytes"] for key in pieces)


def _read(key: str, kept: Mapping[str, Any]) -> AcceptedRun | EndedRun:
    return (AcceptedRun if key.startswith(ACCEPTED) else EndedRun).read(key, kept)


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[begin : begin + _AT_ONCE] for begin in range(0, len(keys), _AT_ONCE))
