"""What may become long, in a head and pieces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import PayloadError, StateConflict, StateStoreError
from civitas.message import encode
from civitas.state import InMemoryStateStore, NatsKVStateStore, SQLiteStateStore
from civitas.state.in_order import is_piece, piece_key
from civitas.state.long_record import LongRecord
from tests.core.state.few_methods import FewMethods, WithBatches, WithRevisions

KEY = "civitas:conversation:a/b"
STORES = (FewMethods, WithRevisions, WithBatches)
every_kind = pytest.mark.parametrize("kind", STORES, ids=lambda kind: kind.__name__)


def turn(n: int, size: int = 4000) -> list[dict[str, Any]]:
    """A question and an answer."""
    text = f"{n:06}".ljust(size // 2, ".")
    return [{"role": "user", "content": text}, {"role": "assistant", "content": text}]


async def pieces(store: InMemoryStateStore) -> int:
    return sum(map(is_piece, await store.keys()))


async def kept(store: Any) -> tuple[Any, Any, Any]:
    found = await LongRecord.load(store, KEY)
    return found.facts, found.lists, found.values


# What is kept is found again.


@every_kind
async def test_nothing_is_found_where_nothing_is_kept(kind):
    assert await kept(kind(InMemoryStateStore())) == ({}, {}, {})


@every_kind
async def test_facts_lists_and_values_are_found_again(kind):
    store = kind(InMemoryStateStore())
    new = await LongRecord.load(store, KEY)
    long = "x" * 2000
    await new.save({"agent": "a"}, {"items": [1, 2], "none": []}, {"n@1": 1, "text@1": long})
    assert await kept(store) == (
        {"agent": "a"},
        {"items": [1, 2], "none": []},
        {"n@1": 1, "text@1": long},
    )
    assert (await LongRecord.load(store, KEY)).used is not None


async def test_what_is_short_stands_in_the_head():
    store = InMemoryStateStore()
    short = await LongRecord.load(store, KEY)
    await short.save({}, {"items": [1, 2], "more": []}, {"n@1": 1})
    assert await store.keys() == [KEY]
    await short.save({}, {"items": [1, 2, *turn(1)], "more": []}, {"n@1": 1})
    assert await kept(store) == ({}, {"items": [1, 2, *turn(1)], "more": []}, {"n@1": 1})
    await short.save({}, {"items": [1], "more": []}, {"n@1": 1})
    assert await kept(store) == ({}, {"items": [1], "more": []}, {"n@1": 1})


async def test_what_is_left_out_is_forgotten():
    store = InMemoryStateStore()
    new = await LongRecord.load(store, KEY)
    await new.save({}, {"items": turn(1)}, {"text@1": "x" * 2000})
    await new.save({}, {}, {"text@2": "y" * 2000})
    assert await kept(store) == ({}, {}, {"text@2": "y" * 2000})
    assert await pieces(store) == 1


async def test_changing_what_was_read_changes_nothing_that_is_kept():
    store = InMemoryStateStore()
    new = await LongRecord.load(store, KEY)
    await new.save({}, {"items": [1]})
    new.lists["items"].append(2)
    await new.save({}, new.lists)
    again = await LongRecord.load(store, KEY)
    assert again.lists == {"items": [1, 2]}
    again.lists["items"].clear()
    assert (await LongRecord.load(store, KEY, known=again)).lists == {"items": [1, 2]}


async def test_an_item_that_only_equals_the_one_before_is_kept_as_it_is_now():
    store = InMemoryStateStore()
    new = await LongRecord.load(store, KEY)
    await new.save({}, {"items": [1, 0]})
    await new.save({}, {"items": [True, 0]})
    assert (await LongRecord.load(store, KEY)).lists["items"][0] is True


async def test_what_is_no_plain_data_is_refused_and_what_was_kept_stays():
    store = InMemoryStateStore()
    new = await LongRecord.load(store, KEY)
    await new.save({}, {"items": [1]})
    with pytest.raises(PayloadError, match=r"items"):
        await new.save({}, {"items": [1, object()]})
    assert await kept(store) == ({}, {"items": [1]}, {})
    await new.save({}, {"items": [1, 2]})
    assert await kept(store) == ({}, {"items": [1, 2]}, {})


# What is new is what is written.


@every_kind
@pytest.mark.parametrize("size", [500, 4000, 8000])
@pytest.mark.promise(id="SEM-1563")
async def test_a_turn_writes_what_is_new_in_it_whatever_the_length(kind, size):
    store = kind(InMemoryStateStore())
    conversation = await LongRecord.load(store, KEY)
    items: list[Any] = []
    new = 0
    for n in range(400):
        items = [*items, *turn(n, size)]
        new += len(encode(turn(n, size)))
        await conversation.save({"agent": "writer"}, {"items": items})
    assert store.bytes <= 3 * new
    store.bytes = 0
    items += turn(400, size)
    await conversation.save({"agent": "writer"}, {"items": items})
    assert store.bytes <= 3 * len(encode(turn(400, size)))


@every_kind
@pytest.mark.promise(id="SEM-1563")
async def test_a_long_conversation_takes_few_pieces(kind):
    store = kind(InMemoryStateStore())
    conversation = await LongRecord.load(store, KEY)
    items: list[Any] = []
    for n in range(1600):
        items += turn(n, 400)
        await conversation.save({}, {"items": items})
    assert await pieces(store.kept) <= 64
    assert (await LongRecord.load(store, KEY)).lists == {"items": items}
    total = sum(len(raw) for raw, _ in store.kept._values.values())
    assert total <= 1.2 * len(encode(items))


@every_kind
@pytest.mark.parametrize(
    "edit",
    [
        lambda items: items[:-1],  # an item was taken back
        lambda items: items[10:],  # the oldest were dropped
        lambda items: [*items[10:], {"newest": 1}],
        lambda items: [{"summary": 1}, *items[270:]],
        lambda items: [*items[:200], {"changed": 1}, *items[201:]],
        lambda items: [*items[:200], *items[210:]],
        lambda items: [*items[:-2], {"again": 1}],
    ],
)
@pytest.mark.promise(id="SEM-1563")
async def test_a_change_in_one_place_does_not_write_the_rest_again(kind, edit):
    store = kind(InMemoryStateStore())
    conversation = await LongRecord.load(store, KEY)
    items = [item for n in range(250) for item in turn(n, 8000)]
    await conversation.save({}, {"items": items})
    store.bytes = 0
    await conversation.save({}, {"items": edit(items)})
    assert store.bytes < 3000
    assert (await LongRecord.load(store, KEY)).lists == {"items": edit(items)}


async def test_a_piece_of_which_little_is_left_is_not_kept_for_it():
    store = InMemoryStateStore()
    conversation = await LongRecord.load(store, KEY)
    items = [item for n in range(20) for item in turn(n, 8000)]
    await conversation.save({}, {"items": items})
    await conversation.save({}, {"items": items[-4:]})
    assert sum(len(raw) for raw, _ in store._values.values()) < 3 * len(encode(items[-4:]))


async def test_an_item_that_did_not_change_is_not_encoded_again():
    store = InMemoryStateStore()
    conversation = await LongRecord.load(store, KEY)
    first = {"content": "a" * 10_000}
    await conversation.save({}, {"items": [first]})
    first["content"] = object()  # nobody may do that, and nobody would see it
    await conversation.save({}, {"items": [first, "next"]})
    assert (await LongRecord.load(store, KEY)).lists["items"][1] == "next"


async def test_what_is_still_as_it_was_is_not_read_again():
    store = WithBatches(InMemoryStateStore())
    one = await LongRecord.load(store, KEY)
    await one.save({"n": 1}, {"items": turn(1)}, {"text@1": "x" * 2000})
    store.reads = 0
    two = await LongRecord.load(store, KEY, known=one)
    assert store.reads == 1
    assert (two.facts, two.lists, two.values) == (one.facts, one.lists, one.values)
    await two.save({"n": 2}, {"items": turn(1) + turn(2)})
    three = await LongRecord.load(store, KEY, known=one)
    assert three.lists == {"items": turn(1) + turn(2)}
    await three.save({"n": 3}, {"items": turn(1)})
    assert await kept(store) == ({"n": 3}, {"items": turn(1)}, {})


# Two at once.


@pytest.mark.parametrize("kind", STORES[1:], ids=lambda kind: kind.__name__)
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


@pytest.mark.parametrize("kind", STORES[1:], ids=lambda kind: kind.__name__)
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

    class Overtaken(kind):
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


# Forms of other versions.


async def test_what_an_earlier_version_kept_is_found_and_replaced():
    store = InMemoryStateStore()
    await store.set(KEY, {"history": ["a"]})
    found = await LongRecord.load(store, KEY)
    assert found.old == {"history": ["a"]}
    await found.save({}, {"items": ["a", "b"]})
    assert found.old is None
    assert await kept(store) == ({}, {"items": ["a", "b"]}, {})


@pytest.mark.promise(id="SEM-1565")
async def test_what_a_newer_version_kept_is_refused_and_left_alone():
    store = InMemoryStateStore()
    await (await LongRecord.load(store, KEY)).save({}, {"items": turn(1)})
    head = await store.get(KEY)
    assert head is not None
    await store.set(KEY, {**head, "civitas:kept": 3})
    with pytest.raises(StateStoreError, match=r"newer Civitas .* Upgrade civitas-core"):
        await LongRecord.load(store, KEY)
    assert (await store.get(KEY) or {})["civitas:kept"] == 3
    assert await LongRecord.forget(store, KEY)
    assert await store.keys() == []


async def test_pieces_that_are_missing_are_told():
    store = InMemoryStateStore()
    await (await LongRecord.load(store, KEY)).save({}, {"items": turn(1)})
    (piece,) = await store.keys(piece_key(KEY, ""))
    await store.delete(piece)
    with pytest.raises(StateStoreError, match="is not whole"):
        await LongRecord.load(store, KEY)


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


@pytest.mark.parametrize("kind", STORES[1:], ids=lambda kind: kind.__name__)
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
