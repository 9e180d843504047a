"""Long records that several use at once, and what is on its way to one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import StateConflict
from civitas.message import encode
from civitas.state import InMemoryStateStore, NatsKVStateStore, SQLiteStateStore
from civitas.state.long_record import LongRecord
from tests.core.state.few_methods import FewMethods
from tests.core.state.long_records import (
    KEY,
    every_kind,
    every_kind_with_revisions,
    kept,
    pieces,
    turn,
)

# Two at once.


@every_kind_with_revisions
@pytest.mark.promise(id="SEM-1564")
async def test_what_somebody_else_wrote_since_is_not_replaced(kind):
    store = kind(InMemoryStateStore())
    await (await LongRecord.load(store, KEY)).save({}, {"items": turn(0)})
    one, two = await LongRecord.load(store, KEY), await LongRecord.load(store, KEY)
    await one.save({}, {"items": turn(0) + turn(1)})
    with pytest.raises(StateConflict, match="uses it at the same time"):
        await two.save({}, {"items": turn(0) + turn(2)})
    assert await kept(store) == ({}, {"items": turn(0) + turn(1)}, {})
    await one.save({}, {"items": turn(0) + turn(1) + turn(3)})
    assert await kept(store) == ({}, {"items": turn(0) + turn(1) + turn(3)}, {})
    again = await LongRecord.load(store, KEY)
    await again.drop()
    with pytest.raises(StateConflict):
        await one.save({}, {"items": ["late"]})


@pytest.mark.promise(id="SEM-1564")
async def test_two_processes_on_one_file_do_not_write_one_conversation_at_once(tmp_path):
    stores = [SQLiteStateStore(tmp_path / "state.db") for _ in range(2)]
    one, two = [await LongRecord.load(store, KEY) for store in stores]
    results = await asyncio.gather(
        one.save({}, {"items": ["one"]}), two.save({}, {"items": ["two"]}), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["NoneType", "StateConflict"]
    for store in stores:
        await store.close()


@pytest.mark.promise(id="SEM-1564")
async def test_on_nats_a_long_record_is_kept_too_and_one_of_two_writers_is_refused(
    nats_server, bucket
):
    stores = [NatsKVStateStore(nats_server.url, bucket=bucket) for _ in range(2)]
    items = [item for n in range(20) for item in turn(n, 20_000)]
    one = await LongRecord.load(stores[0], KEY)
    await one.save({"n": 1}, {"items": items}, {"text@1": "x" * 2000})
    two = await LongRecord.load(stores[1], KEY)
    assert (two.facts, two.lists) == ({"n": 1}, {"items": items})
    await one.save({"n": 2}, {"items": [*items, *turn(20)]})
    with pytest.raises(StateConflict):
        await two.save({"n": 3}, {"items": items[:1]})
    assert await kept(stores[1]) == ({"n": 2}, {"items": [*items, *turn(20)]}, {})
    again = await LongRecord.load(stores[1], "run", home=KEY)
    await again.save({"n": 4}, {"items": items})
    await again.join({"n": 5}, {"items": items[-1:]})
    assert (await LongRecord.load(stores[0], KEY)).lists == {"items": items[-1:]}
    assert await LongRecord.forget(stores[0], "run")
    assert await LongRecord.forget(stores[0], KEY)
    assert await stores[0].keys() == []
    for store in stores:
        await store.close()


@every_kind_with_revisions
async def test_what_was_left_of_work_that_was_given_up_is_removed_by_the_next_writer(kind):
    store = kind(InMemoryStateStore())
    await (await LongRecord.load(store, KEY)).save({}, {"items": turn(0)})
    run = await LongRecord.load(store, "run", home=KEY)
    await run.save({}, {"items": turn(0) + turn(1)})
    await store.delete("run")
    assert await pieces(store.kept) == 2
    again = await LongRecord.load(store, KEY)
    assert await pieces(store.kept) == 2  # whoever only reads removes nothing
    await again.save({}, {"items": turn(0)})
    assert await pieces(store.kept) == 1


@every_kind
async def test_a_reader_that_is_overtaken_reads_again(kind):
    shared = InMemoryStateStore()

    class Overtaken(kind):  # type: ignore[misc, valid-type]  # of each kind of store
        async def get(self, key: str) -> Any:
            found = await super().get(key)
            await self.overtake()
            return found

        async def get_with_revision(self, key: str) -> Any:
            found = await super().get_with_revision(key)
            await self.overtake()
            return found

        async def overtake(self) -> None:
            if writes:
                await writer.save({}, {"items": [writes.pop()] * 200}, {})

    writer = await LongRecord.load(kind(shared), KEY)
    await writer.save({}, {"items": ["old"] * 200})
    writes = ["new", "newer"]
    reader = await LongRecord.load(Overtaken(shared), KEY)
    assert reader.lists == {"items": ["new"] * 200}


# On its way.


@every_kind
async def test_what_is_on_its_way_is_seen_by_nobody_before_it_joins(kind):
    store = kind(InMemoryStateStore())
    home = await LongRecord.load(store, KEY)
    await home.save({"n": 1}, {"items": turn(1)})
    run = await LongRecord.load(store, "run", home=KEY)
    assert run.lists == {"items": turn(1)}
    await run.save({"n": 2}, {"items": turn(1) + turn(2)})
    assert await kept(store) == ({"n": 1}, {"items": turn(1)}, {})
    again = await LongRecord.load(store, "run", home=KEY)
    assert again.lists == {"items": turn(1) + turn(2)}
    await again.join({"n": 3}, {"items": turn(1) + turn(2) + turn(3)})
    assert await kept(store) == ({"n": 3}, {"items": turn(1) + turn(2) + turn(3)}, {})
    assert (await LongRecord.load(store, "run", home=KEY)).facts == {"n": 3}
    assert await LongRecord.forget(store, "run")
    assert await kept(store) == ({"n": 3}, {"items": turn(1) + turn(2) + turn(3)}, {})
    assert await pieces(store.kept) == 3


@every_kind_with_revisions
@pytest.mark.promise(id="SEM-1564")
async def test_of_two_that_are_on_their_way_one_joins_with_its_own(kind):
    store = kind(InMemoryStateStore())
    await (await LongRecord.load(store, KEY)).save({}, {"items": turn(0)})
    runs = [await LongRecord.load(store, f"run-{n}", home=KEY) for n in (1, 2)]
    for n, run in enumerate(runs, 1):
        await run.save({"n": n}, {"items": turn(0) + turn(n)})
    await runs[0].join({"n": 1}, {"items": turn(0) + turn(1)})
    with pytest.raises(StateConflict):
        await runs[1].join({"n": 2}, {"items": turn(0) + turn(2)})
    assert await kept(store) == ({"n": 1}, {"items": turn(0) + turn(1)}, {})
    for n in (1, 2):
        await LongRecord.forget(store, f"run-{n}")
    assert await kept(store) == ({"n": 1}, {"items": turn(0) + turn(1)}, {})
    assert await pieces(store.kept) == 2


@every_kind
async def test_to_join_writes_nothing_twice(kind):
    store = kind(InMemoryStateStore())
    home = await LongRecord.load(store, KEY)
    await home.save({}, {"items": [item for n in range(50) for item in turn(n)]})
    store.bytes = 0
    run = await LongRecord.load(store, "run", home=KEY)
    items = [*run.lists["items"], *turn(50)]
    await run.save({}, {"items": items})
    await run.join({}, {"items": items})
    assert store.bytes < 1.2 * len(encode(turn(50)))


@every_kind
async def test_what_does_not_join_leaves_nothing(kind):
    store = kind(InMemoryStateStore())
    home = await LongRecord.load(store, KEY)
    await home.save({"n": 1}, {"items": turn(1)})
    before = await store.kept.keys()
    run = await LongRecord.load(store, "run", home=KEY)
    await run.save({"n": 2}, {"items": turn(2)}, {"text@1": "x" * 1000})
    assert await LongRecord.forget(store, "run")
    assert await store.kept.keys() == before
    alone = await LongRecord.load(store, "alone")
    await alone.save({}, {"items": turn(1)})
    await alone.drop()
    assert await store.kept.keys() == before


@every_kind
async def test_what_is_on_its_way_begins_again_where_its_home_was_changed(kind):
    store = kind(InMemoryStateStore())
    home = await LongRecord.load(store, KEY)
    await home.save({"n": 1}, {"items": ["a"]})
    run = await LongRecord.load(store, "run", home=KEY)
    await run.save({"n": 2}, {"items": ["a", "b"]})
    await home.save({"n": 3}, {"items": ["other"]})
    again = await LongRecord.load(store, "run", home=KEY)
    assert (again.facts, again.lists) == ({"n": 3}, {"items": ["other"]})
    await again.join({"n": 4}, {"items": ["other", "c"]})
    assert await kept(store) == ({"n": 4}, {"items": ["other", "c"]}, {})
    if kind is not FewMethods:
        with pytest.raises(StateConflict):
            await run.join({}, {"items": ["late"]})
