"""What may become long, in a head and pieces."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.errors import PayloadError, StateStoreError
from civitas.message import encode
from civitas.state import InMemoryStateStore
from civitas.state.in_order import piece_key
from civitas.state.long_record import LongRecord
from tests.core.state.few_methods import WithBatches
from tests.core.state.long_records import KEY, every_kind, kept, pieces, turn

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
    first: dict[str, object] = {"content": "a" * 10_000}
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


# Forms of other versions.


async def test_what_an_earlier_version_kept_is_found_and_replaced():
    store = InMemoryStateStore()
    await store.set(KEY, {"history": ["a"]})
    found = await LongRecord.load(store, KEY)
    earlier = found.old
    assert earlier == {"history": ["a"]}
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
