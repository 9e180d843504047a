"""Long records under random changes, kills and writers beside each other: what is kept is always whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civitas.errors import StateConflict
from civitas.state import InMemoryStateStore
from civitas.state.in_order import is_piece
from civitas.state.long_record import LongRecord
from tests.core.state.few_methods import FewMethods, Killed
from tests.core.state.long_records import KEY, STORES, kept

SIZES = st.sampled_from([0, 5, 600, 40_000])
EDITS = st.tuples(
    st.sampled_from(["append", "append", "append", "front", "tail", "middle", "insert", "clear"]),
    SIZES,
    st.integers(0, 40),
)


def edited(items: list[Any], edit: tuple[str, int, int], mark: int) -> list[Any]:
    kind, size, n = edit
    new = [{"n": mark, "text": "x" * size}]
    at = n % (len(items) + 1)
    match kind:
        case "append":
            return items + new * (1 + n % 3)
        case "front":
            return items[at:]
        case "tail":
            return items[: len(items) - at]
        case "middle":
            return items[:at] + new + items[at + 1 :]
        case "insert":
            return items[:at] + new + items[at:]
    return []


@pytest.mark.promise(id="SEM-1566")
@settings(deadline=None)
@given(
    edits=st.lists(EDITS, min_size=1, max_size=12),
    writes=st.none() | st.integers(0, 30),
    kind=st.sampled_from(STORES),
    again=st.booleans(),
)
def test_after_a_kill_between_any_two_writes_the_old_or_the_new_is_there(
    edits, writes, kind, again
):
    async def run() -> None:
        outlives = InMemoryStateStore()
        store = kind(outlives)
        conversation = await LongRecord.load(store, KEY)
        items: list[Any] = []
        store.writes_left = writes
        before = {}
        for mark, edit in enumerate(edits):
            after = {"items": edited(items, edit, mark), "marks": [*range(mark)]}
            values = {f"v@{mark}": "y" * edit[1], f"v@{mark // 2}": "y"}
            try:
                await conversation.save({"mark": mark}, after, values)
            except Killed:
                store = kind(outlives)
                conversation = await LongRecord.load(store, KEY)
                assert conversation.lists in (before, after)
            else:
                assert (conversation.lists, conversation.values) == (after, values)
                if again:
                    known = conversation if mark % 2 else None
                    conversation = await LongRecord.load(store, KEY, known=known)
                assert conversation.lists == after
            items = conversation.lists.get("items", [])
            before = dict(conversation.lists)
        store.writes_left = None
        await conversation.save({}, {"items": ["end"]})
        await conversation.drop()
        if kind is not FewMethods or writes is None:  # it cannot list what it left
            assert await outlives.keys() == []

    asyncio.run(run())


@settings(deadline=None)
@given(edits=st.lists(EDITS, max_size=25), kind=st.sampled_from(STORES))
def test_pieces_that_nobody_needs_are_removed(edits, kind):
    async def run() -> None:
        store = kind(InMemoryStateStore())
        conversation = await LongRecord.load(store, KEY)
        items: list[Any] = []
        for mark, edit in enumerate(edits):
            items = edited(items, edit, mark)
            await conversation.save({}, {"items": items})
            there = set(filter(is_piece, await store.kept.keys()))
            needed = {conversation._piece(number) for number in conversation._pieces()}
            assert there == needed
        assert await kept(store) == ({}, {"items": items} if edits else {}, {})

    asyncio.run(run())


WORK = st.tuples(
    st.integers(0, 2), st.sampled_from(["load", "save", "save", "join", "give up", "clear"]), SIZES
)


@pytest.mark.promise(id="SEM-1564")
@settings(deadline=None)
@given(work=st.lists(WORK, max_size=30), kind=st.sampled_from(STORES[1:]))
def test_what_the_last_one_kept_stays_whole_whoever_else_is_at_work(work, kind):
    async def run() -> None:
        store = kind(InMemoryStateStore())
        # The third one has no way of its own: it writes at once.
        names = ("run-0", "run-1", None)
        writers = [
            await LongRecord.load(store, name or KEY, home=KEY if name else None) for name in names
        ]
        now: Any = {}
        for n, (who, what, size) in enumerate(work):
            writer, name = writers[who], names[who]
            items = [*writer.lists.get("items", []), {"n": n, "text": "x" * size}]
            try:
                if what == "save":
                    await writer.save({"n": n}, {"items": items})
                    now = {"items": items} if name is None else now
                elif what == "join":
                    await writer.join({"n": n}, {"items": items})
                    now = {"items": items}
                elif what == "clear":
                    await LongRecord.forget(store, KEY)
                    now = {}
                refused = False
            except StateConflict:
                refused = True
            if what == "give up" and name is not None:
                await LongRecord.forget(store, name)
            if refused or what in ("load", "give up"):
                writers[who] = await LongRecord.load(store, name or KEY, home=KEY if name else None)
            assert (await LongRecord.load(store, KEY)).lists == now

    asyncio.run(run())
