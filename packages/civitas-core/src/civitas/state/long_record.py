"""`LongRecord`: what may become long, such as a conversation, under one key of a state store: a head, and pieces."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self

from civitas.errors import StateConflict, StateStoreError
from civitas.state.drafts import Draft
from civitas.state.heads import (
    FORMAT,
    MARK,
    check_format,
    is_head,
    is_short,
    named_pieces,
    parts,
)
from civitas.state.in_order import keys_of_pieces, piece_key, read_head, read_many, write_in_order
from civitas.state.segments import Segment, loaded
from civitas.state.store import BatchStore, RevisionedStore, StateStore, offers

__all__ = ["LongRecord"]

_NOTHING: Mapping[str, Any] = {}


class LongRecord:
    """What may become long, under one key of a state store. What is new in it is what is written, however long it is.

    Under the key is a head: `facts`, written whole each time, and where the rest is. That is in pieces under keys of
    their own. `lists` are kept by what changed in them: one that was appended to has what was appended written. Each
    of `values` is written once and stays until it is left out; another value has another name, such as one with a
    version.

    The head is written last, or together with the pieces where the store has batches. So a kill at any moment leaves
    what was there before or what is there after, and a reader sees one of them. What a killed writer left is written
    over or removed by the next. Where the store has revisions, a head that somebody else has written since is not
    replaced.

    What it holds is shared with whoever asks for it: put another item in the place of one that changes.

    Attributes:
        key: The key.
        home: The key whose pieces it shares, see `load`; otherwise the same.
        facts: What is written whole each time.
        lists: The lists by name.
        values: The values by name.
        old: What an earlier version kept under the key, in its own form; None if there is nothing of that kind.
        used: When it was written, in unix seconds; None if it never was.
    """

    def __init__(self, store: StateStore, key: str, home: str | None = None) -> None:
        self._store = store
        self.key = key
        self.home = home or key
        self.facts: dict[str, Any] = {}
        self.lists: dict[str, list[Any]] = {}
        self.values: dict[str, Any] = {}
        self.old: dict[str, Any] | None = None
        self.used: int | None = None
        self._segments: dict[str, tuple[Segment, ...]] = {}
        self._placed: dict[str, int] = {}  # the pieces of values
        self._tag = ""
        self._next = 0
        self._stamp: int | None = None
        self._revisions: dict[str, int] = {}
        self._base = 0  # the stamp of the head of `home`, if that is another one
        self._others: frozenset[int] = frozenset()  # the pieces that it needs
        self._items: dict[str, list[Any]] = {}  # the lists as they are kept
        self._alone = offers(store, BatchStore) or not offers(store, RevisionedStore)
        """Whether nobody else writes pieces before a head: others write both at once, or there are none."""
        self._spread = False  # whether it has numbers of its own for pieces
        self._swept = False

    @classmethod
    async def load(
        cls, store: StateStore, key: str, *, home: str | None = None, known: Self | None = None
    ) -> Self:
        """Read what is kept under `key`; nothing is in it if nothing is there.

        Args:
            store: Where it is kept.
            key: Its key.
            home: Read what is to become what this key has: it begins with what is there and shares its pieces, is
                written under `key` meanwhile, and under both with `join`. If somebody else has written `home` since,
                it begins again.
            known: What was read or written before. If it is still what is kept, its pieces are not read again.

        Raises:
            StateStoreError: A newer version wrote it, or a part of it is missing.
        """
        seen: object = None
        again = False
        while True:
            kept = cls(store, key, home)
            head = await kept._open(again=again)
            if head is None:
                return kept
            if known is not None and known._stamp is not None and known._stamp == head["stamp"]:
                kept._take(known)
                return kept
            if await kept._read(head):
                return kept
            if seen == head["stamp"] and kept.home != key and not again:
                again = True  # `home` was forgotten meanwhile, and its pieces with it
            elif seen == head["stamp"]:
                raise StateStoreError(
                    f"what is kept under {key!r} is not whole: pieces of it are missing. Restore the store from a "
                    "backup, or remove it with `civitas state clear` to start afresh",
                    key=key,
                )
            seen = head["stamp"]  # replaced while it was read, if all is well

    @property
    def stamp(self) -> int:
        """Tells what was read or written from what was kept before; 0 for nothing."""
        return self._stamp or 0

    @property
    def size(self) -> int:
        """About how many bytes are in its pieces."""
        return sum(each.share for segments in self._segments.values() for each in segments)

    async def save(
        self,
        facts: Mapping[str, Any],
        lists: Mapping[str, Sequence[Any]] | None = None,
        values: Mapping[str, Any] | None = None,
        *,
        gone: Sequence[str] = (),
        beside: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        """Keep this in the place of what is there.

        Args:
            facts: What is written whole.
            lists: The lists by name.
            values: The values by name.
            gone: Keys of the store under which is what nobody needs when this is kept; they are forgotten.
            beside: What else is to be in the store when this is, by its keys.

        Raises:
            StateConflict: Somebody else has written it since it was read; what they wrote stays.
            PayloadError: Something in it is not plain data.
        """
        await self._save(facts, lists or {}, values or {}, needless=gone, beside=beside or {})

    async def join(
        self,
        facts: Mapping[str, Any],
        lists: Mapping[str, Sequence[Any]] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep this under `home` as well. Raises what `save` does."""
        await self._save(facts, lists or {}, values or {}, join=self.home != self.key)

    async def drop(self) -> None:
        """Forget it, with its pieces."""
        await self._write({}, {self.key: None}, self._pieces() - self._others)
        if self.home == self.key:
            # A writer that was killed before its head was there.
            for left in await keys_of_pieces(self._store, self.key):
                await self._store.delete(left)
        self._clear()

    @classmethod
    async def forget(
        cls, store: StateStore, key: str, *, unused_since: float | None = None
    ) -> bool:
        """Forget what is kept under `key`, with its pieces, whatever its form.

        Args:
            store: Where it is kept.
            key: Its key.
            unused_since: Only if nobody has written it since then, in unix seconds.

        Returns:
            Whether it was there, and is not any more.

        Raises:
            StateConflict: Somebody writes it at this moment.
        """
        kept = cls(store, key)
        head = await kept._open(whatever=True)
        there = head is not None or kept.old is not None
        if there and (unused_since is None or (kept.used or 0) < unused_since):
            if head is not None:
                kept._place(head)
            await kept.drop()
            return True
        return False

    # Reading.

    async def _open(self, *, whatever: bool = False, again: bool = False) -> dict[str, Any] | None:
        """Read the head; None if there is none in this form.

        Args:
            whatever: It need not be one that can be read.
            again: Begin with that of `home`, whatever is on its way.
        """
        head = await self._head(self.key)
        if head is not None and is_head(head):
            home = head.get("home")
            if whatever and home is not None:
                self.home = home
        if self.home != self.key:
            base = await self._head(self.home)
            if base is not None and is_head(base):
                check_format(base, self.home)
                self._at_home(base["stamp"], named_pieces(base))
                self._tag, self._next = base["tag"], base["next"]
            if head is not None and is_head(head) and not whatever:
                again = again or self._base not in head["base"]
            if head is None or again:
                head = base
        if head is None:
            # Before there is a head, only a store without batches can have pieces.
            self._swept = offers(self._store, BatchStore)
            return None
        if not is_head(head):
            self.old = head
            return None
        if not whatever:
            check_format(head, self.key)
        self.used = head["used"]
        return head

    async def _head(self, key: str) -> dict[str, Any] | None:
        head, revision = await read_head(self._store, key)
        if revision is not None:
            self._revisions[key] = revision
        return head

    def _place(self, head: Mapping[str, Any]) -> None:
        self._stamp = head["stamp"]
        self._tag, self._next = head["tag"], max(self._next, head["next"])
        self.facts = head["facts"]
        self._segments = {name: loaded(each) for name, each in head.get("lists", {}).items()}
        self._placed = dict(head.get("values", {}))
        self.values = dict(head.get("small", {}))
        self._items = dict(head.get("short", {}))

    async def _read(self, head: Mapping[str, Any]) -> bool:
        """Read what the head names; False if something is missing."""
        self._place(head)
        numbers = self._pieces()
        found = await read_many(self._store, [self._piece(number) for number in numbers])
        if len(found) < len(numbers):
            return False
        for name, segments in self._segments.items():
            self._items[name] = [
                item
                for each in segments
                for item in found[self._piece(each.piece)]["items"][each.begin : each.end]
            ]
        for name, number in self._placed.items():
            self.values[name] = found[self._piece(number)]["value"]
        self._hand_out()
        return True

    def _take(self, known: Self) -> None:
        self._swept = known._swept
        self.facts, self._items, self.values = known.facts, known._items, dict(known.values)
        self._segments, self._placed = known._segments, dict(known._placed)
        self._tag, self._stamp = known._tag, known._stamp
        self._next = max(self._next, known._next)
        self._hand_out()

    def _hand_out(self) -> None:
        # Lists of their own: whoever changes one in place does not change what it is compared with.
        self.lists = {name: list(items) for name, items in self._items.items()}

    def _at_home(self, stamp: int, pieces: Iterable[int]) -> None:
        self._base, self._others = stamp, frozenset(pieces)

    def _piece(self, number: int) -> str:
        return piece_key(self.home, f"{self._tag}.{number}")

    def _pieces(self) -> set[int]:
        lists = {each.piece for segments in self._segments.values() for each in segments}
        return lists.union(self._placed.values())

    # Writing.

    async def _save(
        self,
        facts: Mapping[str, Any],
        lists: Mapping[str, Sequence[Any]],
        values: Mapping[str, Any],
        *,
        join: bool = False,
        needless: Sequence[str] = (),
        beside: Mapping[str, dict[str, Any]] = _NOTHING,
    ) -> None:
        if not self._tag:
            self._tag = os.urandom(4).hex()  # so that no piece of a former one is taken for its own
        if not self._spread and not (self._alone and self.home == self.key):
            # Two that write at once must not write over each other's pieces, before one of them is refused.
            self._next, self._spread = int.from_bytes(os.urandom(4)), True
        draft = Draft(self._next, self._pieces() | self._others)
        segments: dict[str, tuple[Segment, ...]] = {}
        short: dict[str, list[Any]] = {}
        for name, items in lists.items():
            there = self._segments.get(name, ())
            if not there and is_short(list(items), name):
                short[name] = list(items)
            else:
                before = self._items[name] if there else ()
                segments[name] = draft.kept(name, before, there, items)
        placed: dict[str, int] = {}
        small: dict[str, Any] = {}
        for name, value in values.items():
            if name in self._placed:
                placed[name] = self._placed[name]
            elif name in self.values or is_short(value, name):
                small[name] = self.values.get(name, value)
            else:
                placed[name] = draft.put({"value": value})
        stamp, used = int.from_bytes(os.urandom(6)), int(time.time())
        head: dict[str, Any] = {
            MARK: FORMAT,
            "stamp": stamp,
            "used": used,
            "tag": self._tag,
            "next": draft.next,
            "facts": dict(facts),
            **parts(segments, short, placed, small),
        }
        heads: dict[str, dict[str, Any] | None] = {**beside, self.key: head}
        gone = self._pieces() - self._others
        if self.home != self.key:
            base = [self._base, stamp] if join else [self._base]
            heads[self.key] = {**head, "home": self.home, "base": base}
        if join:
            # Behind the other one, which holds for both.
            heads[self.home] = head
            gone |= self._others
        needed = set(named_pieces(head))
        if join and not self._base:
            await self._check_there(needed.difference(draft.pieces))
        await self._write(draft.pieces, heads, gone - needed, needless)
        if join:
            self._at_home(stamp, needed)
        self.facts, self.values = dict(facts), dict(values)
        self._items = {name: list(items) for name, items in lists.items()}
        self._segments, self._placed = segments, placed
        self._next, self._stamp, self.used, self.old = draft.next, stamp, used, None
        self._hand_out()
        if not self._swept and (join or self.home == self.key):
            self._swept = True
            await self._sweep(needed)

    async def _check_there(self, numbers: Collection[int]) -> None:
        """Check that nobody has removed these pieces.

        A `home` that somebody else began and forgot has no revision that differs from that of one that never was.
        """
        keys = [self._piece(number) for number in numbers]
        if len(await read_many(self._store, keys)) < len(keys):
            raise StateConflict(self.home, 0, 0)

    async def _sweep(self, needed: Iterable[int]) -> None:
        """Remove pieces that nobody needs: of a writer that was killed, or of work for `home` that was given up.

        Only by who has just written the head of `home`, so that whoever else is at work for it is refused.
        """
        names = {self._piece(number) for number in needed}
        left = [key for key in await keys_of_pieces(self._store, self.home) if key not in names]
        if left:
            await write_in_order(self._store, {}, {}, left, expect={})

    async def _write(
        self,
        pieces: Mapping[int, dict[str, Any]],
        heads: Mapping[str, dict[str, Any] | None],
        gone: Iterable[int],
        needless: Sequence[str] = (),
    ) -> None:
        written = await write_in_order(
            self._store,
            {self._piece(number): value for number, value in pieces.items()},
            heads,
            [*(self._piece(number) for number in gone), *needless],
            expect=self._revisions,
        )
        for key in heads:
            if key in self._revisions:
                self._revisions[key] = written.get(key, 0)

    def _clear(self) -> None:
        self.facts, self.lists, self.values, self.old, self.used = {}, {}, {}, None, None
        self._segments, self._placed, self._items, self._stamp = {}, {}, {}, None
