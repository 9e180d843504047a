"""`NatsKVStateStore` over a real server: compare and set, large values, outages, buckets."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys

import nats
import pytest

from civitas.brokers.nats.jetstream import JetStream
from civitas.errors import ConfigurationError, PayloadError, StateConflict, StateStoreError
from civitas.state import NatsKVStateStore
from tests.core.state.conftest import with_jetstream
from tests.nats_server import NatsServer

PIECE = 1024 * 1024


@pytest.fixture
async def make_store(nats_server, bucket):
    """Makes stores on one bucket, and closes them in the end."""
    made = []

    def make(url: str = nats_server.url, **keywords) -> NatsKVStateStore:
        made.append(NatsKVStateStore(url, **{"bucket": bucket, **keywords}))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def client(nats_server):
    """What another program would use."""
    client = await nats.connect(nats_server.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may stop and kill."""
    server = with_jetstream(tmp_path).start()
    yield server
    server.close()


async def stored(client, bucket) -> set[str]:
    """The subjects in a bucket, without its own."""
    info = await client.stream_info(f"KV_{bucket}", subjects_filter=">")
    return {subject.split(".", 2)[2] for subject in info.state.subjects or {}}


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


# Servers that are away, or are not what is needed.


@pytest.mark.promise(id="SEM-1437")
async def test_a_server_that_is_started_again_is_waited_for_and_has_lost_nothing(
    own_server, make_store
):
    store = make_store(own_server.url)
    await store.set("agent", {"n": 1})
    await store.set("gone", {"n": 1})
    await store.delete("gone")
    own_server.kill()
    setting = asyncio.ensure_future(store.set("agent", {"n": 2}))
    reading = asyncio.ensure_future(store.get("gone"))
    await asyncio.sleep(0)
    own_server.start()
    await setting
    assert await store.get("agent") == {"n": 2}
    assert await reading is None


@pytest.mark.promise(id="SEM-1437")
async def test_a_server_that_stays_away_is_an_error_that_names_it_and_the_cure(
    own_server, make_store
):
    store = make_store(own_server.url, timeout=0.3)
    await store.set("agent", {"n": 1})
    own_server.kill()
    with pytest.raises(StateStoreError, match=r"no answer for 0.3 s.*Start the server") as caught:
        await store.set("agent", {"n": 2})
    assert own_server.url in str(caught.value)
    assert caught.value.transient
    assert caught.value.key == "agent"
    own_server.start()
    await make_store(own_server.url).set("agent", {"n": 3})
    assert await store.get("agent") == {"n": 3}


@pytest.mark.promise(id="SEM-1437")
async def test_a_server_that_was_never_there_is_an_error_at_open(make_store, tmp_path):
    server = NatsServer(tmp_path).start()
    server.close()
    with pytest.raises(StateStoreError, match=r"no answer .*Connect call failed.*Start the server"):
        await make_store(server.url, timeout=0.2).open()


@pytest.mark.promise(id="SEM-1438")
async def test_a_server_without_jetstream_is_told_at_open(make_store, tmp_path):
    server = NatsServer(tmp_path).start()
    try:
        with pytest.raises(StateStoreError, match=r"has no JetStream.*Start it with -js"):
            await make_store(server.url).open()
    finally:
        server.close()


@pytest.mark.promise(id="SEM-1438")
async def test_rights_that_are_missing_are_told_at_once_and_no_secret_is_shown(
    make_store, tmp_path
):
    server = with_jetstream(
        tmp_path,
        "authorization: {users: ["
        '{user: ann, password: s3cret}, {user: bob, password: s3cret, permissions: {publish: "x"}}]}',
    ).start()
    try:
        store = make_store(server.url, user="ann", password="s3cret")
        await store.set("agent", {"n": 1})
        wrong = make_store(server.url.replace("//", "//ann:s3cre@"))
        with pytest.raises(
            StateStoreError, match=r"does not let .* in .*[Aa]uthorization"
        ) as caught:
            await wrong.open()
        limited = make_store(server.url, user="bob", password="s3cret")
        with pytest.raises(StateStoreError, match=r"does not let this user keep state") as denied:
            await limited.open()
        assert "s3cre" not in f"{caught.value}{denied.value}{wrong!r}{store!r}"
    finally:
        server.close()


# Buckets.


@pytest.mark.promise(id="SEM-1439")
async def test_a_new_bucket_says_what_it_is_and_a_look_makes_none(make_store, client, bucket):
    store = make_store(max_bytes=10**9)
    assert await store.get("agent") is None
    assert await store.keys() == []
    with pytest.raises(nats.js.errors.NotFoundError):
        await client.stream_info(f"KV_{bucket}")
    await store.open()
    config = (await client.stream_info(f"KV_{bucket}")).config
    assert config.metadata["civitas"] == "state"
    assert config.description == "State of the agents of a Civitas system"
    assert (config.max_msgs_per_subject, config.discard, config.max_bytes) == (1, "new", 10**9)


@pytest.mark.promise(id="SEM-1439")
@pytest.mark.parametrize(
    ("there", "asked", "says"),
    [
        ({"ttl": 60}, {}, "forgets values after 60 s"),
        ({"storage": "memory"}, {}, "its storage is 'memory', which a restart"),
        ({}, {"storage": "memory"}, "its storage is 'file'"),
        ({}, {"replicas": 3}, "its replicas is 1, not 3"),
        ({"max_bytes": 10**6}, {"max_bytes": 10**9}, "its max_bytes is 1000000, not 1000000000"),
        ({"max_value_size": 5000}, {}, "take messages of up to 5,000 bytes"),
    ],
)
async def test_a_bucket_with_other_settings_is_refused_and_left_alone(
    make_store, client, bucket, there, asked, says
):
    await client.create_key_value(bucket=bucket, **there)
    before = (await client.stream_info(f"KV_{bucket}")).config
    with pytest.raises(StateStoreError, match=says):
        await make_store(**asked).open()
    assert (await client.stream_info(f"KV_{bucket}")).config == before


async def test_a_bucket_that_was_made_by_hand_is_used_as_it_is(make_store, client, bucket):
    await client.create_key_value(bucket=bucket, history=5, max_value_size=100_000)
    store = make_store()
    for n in range(3):
        await store.set("agent", {"n": n, "b": bytes(300_000)})
    assert (await store.get("agent"))["n"] == 2
    await store.delete("agent")
    assert await stored(client, bucket) == set()


async def test_processes_that_start_at_once_make_one_bucket(make_store):
    stores = [make_store() for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))


@pytest.mark.promise(id="SEM-1440")
async def test_a_bucket_that_is_full_is_told_and_keeps_what_it_has(make_store, client, bucket):
    store = make_store(max_bytes=3 * PIECE)
    await store.set("agent", {"n": 1})
    for size in (2 * PIECE, 5 * PIECE):
        await store.set("agent", {"n": 1})
        with contextlib.suppress(StateStoreError):
            await store.set("other", {"b": bytes(size)})
    with pytest.raises(StateStoreError, match=r"the storage is full\. Free some space") as caught:
        await store.set("agent", {"b": bytes(5 * PIECE)})
    assert caught.value.transient
    await store.delete("other")
    assert await store.get("agent") == {"n": 1}
    assert await stored(client, bucket) == {"agent"}


@pytest.mark.promise(id="SEM-1440")
async def test_a_bucket_that_was_removed_while_it_is_in_use_is_told_at_once(
    make_store, client, bucket
):
    store = make_store()
    await store.set("agent", {"n": 1})
    await client.delete_key_value(bucket)
    with pytest.raises(StateStoreError, match="was removed while it was in use"):
        await store.set("agent", {"n": 2})
    with pytest.raises(StateStoreError, match="was removed while it was in use"):
        await store.get("agent")


async def test_a_prefix_keeps_systems_apart(make_store, bucket):
    one, two = make_store(prefix="one"), make_store(prefix="two")
    await one.set("agent", {"n": 1})
    assert one.bucket == f"one-{bucket}"
    assert await two.get("agent") is None


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"bucket": "a.b"}, "bucket must be made of letters"),
        ({"bucket": ""}, "bucket must be made of letters"),
        ({"prefix": "a b"}, "prefix must be made of letters"),
        ({"storage": "disk"}, "storage must be 'file' or 'memory'; got 'disk'"),
        ({"replicas": 0}, "replicas must be a whole number"),
        ({"max_bytes": True}, "max_bytes must be a whole number"),
        ({"timeout": 0}, "timeout must be more than 0 seconds"),
        ({"timeout": "1"}, "timeout must be a number of seconds"),
        ({"user": "ann"}, "'user' needs 'password'"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(keywords, says):
    with pytest.raises(ConfigurationError, match=says):
        NatsKVStateStore(**{"bucket": "state", **keywords})


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
