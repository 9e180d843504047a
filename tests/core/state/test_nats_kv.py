"""`NatsKVStateStore` over a real server: compare and set, large values, outages, buckets."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import nats
import pytest

from civitas.brokers.nats.jetstream import JetStream
from civitas.errors import PayloadError, StateConflict, StateStoreError
from civitas.state import NatsKVStateStore
from tests.core.state.conftest import stored

PIECE = 1024 * 1024


# Compare and set.


@pytest.mark.promise(id="SEM-1433")
async def test_a_stale_owner_does_not_overwrite_what_its_successor_wrote(make_store):
    old, new = make_store(), make_store()
    await old.set("agent", {"n": 1})
    _, seen = await old.get_with_revision("agent")
    _, also_seen = await new.get_with_revision("agent")
    await new.compare_and_set("agent", {"n": 2}, also_seen)
    with pytest.raises(StateConflict, match="'agent' was not saved: somebody else"):
        await old.compare_and_set("agent", {"n": 0}, seen)
    assert await old.get("agent") == {"n": 2}


@pytest.mark.promise(id="SEM-1433")
async def test_a_stale_owner_does_not_bring_back_what_was_deleted(make_store):
    old, new = make_store(), make_store()
    await old.set("agent", {"n": 1})
    _, seen = await old.get_with_revision("agent")
    await new.delete("agent")
    with pytest.raises(StateConflict):
        await old.compare_and_set("agent", {"n": 0}, seen)
    assert await new.get_with_revision("agent") == (None, 0)


async def test_what_another_program_removed_is_absent_and_can_be_set_again(
    make_store, client, bucket
):
    store = make_store()
    await store.set("agent", {"n": 1})
    await (await client.key_value(bucket)).delete("agent")
    value, revision = await store.get_with_revision("agent")
    assert value is None
    await store.compare_and_set("agent", {"n": 2}, revision)
    assert await store.get("agent") == {"n": 2}


@pytest.mark.promise(id="SEM-1434")
@pytest.mark.parametrize("size", [10, 2 * PIECE], ids=["small", "large"])
async def test_a_write_whose_answer_was_lost_is_not_taken_for_that_of_somebody_else(
    make_store, monkeypatch, size
):
    store, real, lost = make_store(), JetStream.request, []

    async def request(self, subject, payload=b"", headers=None, **keywords):
        answer = await real(self, subject, payload, headers, **keywords)
        if subject.endswith(".agent") and headers and not lost:
            lost.append(answer)
            return await real(self, subject, payload, headers, **keywords)  # as after a timeout
        return answer

    monkeypatch.setattr(JetStream, "request", request)
    value = {"b": b"x" * size}
    revision = await store.compare_and_set("agent", value, 0)
    assert lost
    assert await store.get_with_revision("agent") == (value, revision)


@pytest.mark.promise(id="SEM-1434")
async def test_a_write_that_was_given_up_and_is_there_does_not_stand_in_the_way_of_the_next(
    make_store, monkeypatch
):
    store, real = make_store(), JetStream.request
    await store.open()

    async def request(self, *args, **keywords):
        await real(self, *args, **keywords)
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(JetStream, "request", request)
        with pytest.raises(StateStoreError):
            await store.compare_and_set("agent", {"n": 1}, 0)
    revision = await store.compare_and_set("agent", {"n": 1}, 0)
    assert await store.get_with_revision("agent") == ({"n": 1}, revision)


async def test_sets_of_two_stores_on_one_key_both_return_and_one_stays(make_store):
    one, two = make_store(), make_store()
    await asyncio.gather(*(store.set("agent", {"n": n}) for n in range(20) for store in (one, two)))
    assert await one.get("agent") == await two.get("agent") == {"n": 19}


# Large values.


@pytest.mark.promise(id="SEM-1435")
async def test_a_value_larger_than_a_message_comes_back_whole_and_leaves_nothing(
    make_store, client, bucket
):
    store = make_store()
    for size in (2 * PIECE, 2 * PIECE + 1):
        await store.set("agent", {"b": b"x" * size})
        assert len((await make_store().get("agent"))["b"]) == size
        assert len(await stored(client, bucket)) == 1 + 3
    await store.set("agent", {"small": 1})
    assert await stored(client, bucket) == {"agent"}
    await store.set("agent", {"b": b"x" * 2 * PIECE})
    await make_store().delete("agent")
    assert await stored(client, bucket) == set()
    assert await store.get("agent") is None


@pytest.mark.promise(id="SEM-1435")
async def test_the_largest_value_comes_back_and_a_larger_one_is_refused(make_store):
    store = make_store()
    value = {"b": bytes(64 * PIECE - 16)}
    await store.set("agent", value)
    with pytest.raises(PayloadError, match="more than the 67,108,864"):
        await store.set("agent", {"b": bytes(64 * PIECE)})
    assert await store.get("agent") == value


@pytest.mark.promise(id="SEM-1436")
async def test_a_reader_sees_a_whole_value_while_it_is_replaced(make_store):
    writer, reader = make_store(), make_store()
    await writer.set("agent", {"n": 0, "b": bytes(2 * PIECE)})

    async def write() -> None:
        for n in range(1, 6):
            await writer.set("agent", {"n": n, "b": bytes([n]) * 2 * PIECE})

    writing = asyncio.ensure_future(write())
    while not writing.done():
        found = await reader.get("agent")
        assert set(found["b"]) == {found["n"]}
    await writing


_CRASH = """
import asyncio, os, signal, sys
from civitas import NatsKVStateStore
from civitas.state.nats_kv.messages import Messages

url, bucket, point = sys.argv[1:]
put, remove = Messages.put, Messages.remove

async def put_and_die(self, subject, *arguments, **keywords):
    if point == "before" and subject == "agent":
        os.kill(os.getpid(), signal.SIGKILL)
    return await put(self, subject, *arguments, **keywords)

async def remove_and_die(self, *arguments):
    if point == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return await remove(self, *arguments)

async def main():
    store = NatsKVStateStore(url, bucket=bucket)
    await store.get("agent")
    Messages.put, Messages.remove = put_and_die, remove_and_die
    await store.set("agent", {"n": 2, "b": bytes(2 << 20)})

asyncio.run(main())
"""


@pytest.mark.promise(id="SEM-1436")
@pytest.mark.parametrize(("point", "n"), [("before", 1), ("after", 2)])
async def test_a_writer_that_is_killed_leaves_a_whole_value_and_its_rest_is_removed(
    make_store, client, bucket, nats_server, point, n
):
    await make_store().set("agent", {"n": 1, "b": bytes(2 * PIECE)})
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _CRASH, nats_server.url, bucket, point],
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert len(await stored(client, bucket)) > 4
    store = make_store()
    await store.open()
    assert (await store.get("agent"))["n"] == n
    if point == "before":  # it might be under way still; the next write tells
        await store.set("agent", {"n": 3, "b": bytes(2 * PIECE)})
    assert len(await stored(client, bucket)) == 1 + 3


@pytest.mark.promise(id="SEM-1436")
async def test_a_writer_that_was_taken_for_dead_writes_again(make_store, monkeypatch):
    writer, other = make_store(), make_store()
    await other.open()
    real, cleaned = JetStream.request, []

    async def request(self, subject, payload=b"", headers=None, **keywords):
        if subject.endswith(".agent") and headers and not cleaned:
            cleaned.append(True)
            # Its value was taken over and removed, so that to its writer all looks as before.
            await other.set("agent", {"n": 1})
            await make_store().open()
            await other.delete("agent")
        return await real(self, subject, payload, headers, **keywords)

    monkeypatch.setattr(JetStream, "request", request)
    await writer.set("agent", {"b": bytes(2 * PIECE)})
    assert await make_store().get("agent") == {"b": bytes(2 * PIECE)}


@pytest.mark.promise(id="SEM-1436")
async def test_what_a_write_left_that_was_cancelled_goes_with_the_next(
    make_store, client, bucket, monkeypatch
):
    store, real, begun = make_store(), JetStream.request, asyncio.Event()

    async def request(self, subject, payload=b"", headers=None, **keywords):
        if subject.endswith(".2"):
            begun.set()
            await asyncio.Event().wait()
        return await real(self, subject, payload, headers, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(JetStream, "request", request)
        setting = asyncio.ensure_future(store.set("agent", {"b": bytes(2 * PIECE)}))
        await begun.wait()
        setting.cancel()
        await asyncio.gather(setting, return_exceptions=True)
    assert await store.get("agent") is None
    assert await stored(client, bucket) != set()
    await store.set("agent", {"n": 1})
    assert await stored(client, bucket) == {"agent"}


async def test_a_value_that_lost_a_piece_is_told(make_store, client, bucket):
    store = make_store()
    await store.set("agent", {"b": bytes(2 * PIECE)})
    await client.purge_stream(f"KV_{bucket}", subject=f"$KV.{bucket}.=pieces.>")
    with pytest.raises(StateStoreError, match=r"'agent' .* is not whole"):
        await store.get("agent")
    await store.delete("agent")
    assert await store.get("agent") is None


# Keys.


@pytest.mark.promise(id="SEM-1432")
async def test_a_key_of_any_length_is_kept_and_listed(make_store):
    store, keys = make_store(), ["a/" + "ü" * 3000, "a/b", "a/b/c", "a:", "b"]
    for key in keys:
        await store.set(key, {"key": key})
    assert await store.keys("a/") == sorted(key for key in keys if key.startswith("a/"))
    assert await store.keys() == sorted(keys)
    assert [await store.get(key) for key in keys] == [{"key": key} for key in keys]


async def test_a_closed_store_says_so_and_can_be_opened_again(make_store):
    store = make_store()
    await store.set("agent", {"n": 1})
    await store.close()
    with pytest.raises(StateStoreError, match="is closed"):
        await store.get("agent")
    await store.open()
    assert await store.get("agent") == {"n": 1}


def test_another_client_can_look_into_a_bucket_by_its_key(nats_server, bucket):
    """What is written stands under a subject that people can read, as MessagePack."""

    async def main() -> None:
        store = NatsKVStateStore(nats_server.url, bucket=bucket)
        await store.set("civitas:conversation:support/user-42", {"n": 1})
        await store.close()
        client = await nats.connect(nats_server.url)
        kv = await client.jetstream().key_value(bucket)
        entry = await kv.get("civitas=.conversation=.support.user-42")
        assert entry.value == b"\x81\xa1n\x01"
        await client.close()

    asyncio.run(main())
