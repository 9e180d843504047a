"""The state store on NATS where the server is away, lacks something, or has other buckets than are wanted."""

from __future__ import annotations

import asyncio
import contextlib

import nats
import pytest

from civitas.errors import ConfigurationError, StateStoreError
from civitas.state import NatsKVStateStore
from tests.core.state.conftest import stored, with_jetstream
from tests.nats_server import NatsServer

PIECE = 1024 * 1024


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


@pytest.mark.promise(id="SEM-1526")
async def test_a_large_value_that_is_refused_leaves_no_piece_though_some_were_still_on_their_way(
    make_store, client, bucket
):
    await client.create_key_value(bucket=bucket, max_value_size=16_384, max_bytes=40_000)
    store = make_store()
    await store.set("agent", {"n": 1})
    server = store._messages._server
    request, api = server.request, server.api
    refused, purged = asyncio.Event(), asyncio.Event()
    on_the_way = []

    async def slow(subject, *about, **keywords):
        """The first piece takes long, and is on its way whether somebody waits for it or not."""
        if "=pieces" not in subject:
            return await request(subject, *about, **keywords)
        sending = asyncio.ensure_future(send(subject, *about, **keywords))
        on_the_way.append(sending)
        return await asyncio.shield(sending)

    async def send(subject, *about, **keywords):
        if subject.endswith(".0"):
            await refused.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(purged.wait(), 0.05)
        try:
            return await request(subject, *about, **keywords)
        finally:
            if subject.endswith(".4"):
                refused.set()

    async def noted(subject, **keywords):
        answer = await api(subject, **keywords)
        if "PURGE" in subject and "=pieces" in keywords["filter"]:
            purged.set()
        return answer

    server.request, server.api = slow, noted
    with pytest.raises(StateStoreError, match="the storage is full"):
        await store.set("agent", {"b": bytes(70_000)})
    await asyncio.gather(*on_the_way, return_exceptions=True)
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


@pytest.mark.promise(id="SEM-1477")
async def test_no_two_prefixes_and_buckets_share_a_bucket_that_the_tools_can_read(
    make_store, client, bucket
):
    pairs = [("a_2Db", bucket), ("a-b", bucket), ("a", f"b-{bucket}"), ("a.b", bucket)]
    stores = [make_store(prefix=prefix, bucket=name) for prefix, name in pairs]
    for n, store in enumerate(stores):
        await store.set("agent", {"n": n})
    assert [await store.get("agent") for store in stores] == [{"n": n} for n in range(4)]
    for store in stores:
        assert await stored(client, store.bucket) == {"agent"}


@pytest.mark.promise(id="SEM-1478")
@pytest.mark.parametrize(
    ("prefix", "former"), [("civitas", "{bucket}"), ("team-a", "team-a-{bucket}")]
)
async def test_state_under_the_name_that_earlier_versions_gave_is_told_and_not_passed_over(
    make_store, client, bucket, prefix, former
):
    former = former.format(bucket=bucket)
    await make_store(bucket=former).set("agent", {"n": 1})
    store = make_store(prefix=prefix)
    for use in (store.open(), store.get("agent"), store.keys(), store.set("agent", {"n": 2})):
        with pytest.raises(StateStoreError, match=f"'prefix: null' and 'bucket: {former}'"):
            await use
    await client.create_key_value(bucket=store.bucket)
    assert await store.get("agent") is None


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
