"""The sample stores: what they are told, what the settings of their servers are, and what a user may do there."""

from __future__ import annotations

import asyncio
import re
import time
from importlib.util import find_spec

import pytest

from civitas import ConfigurationError, StateStoreError
from tests.redis_server import RedisServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not find_spec("psycopg"), reason="environment A has the clients"),
]

only_redis = pytest.mark.parametrize("kind", ["redis"], indirect=True)
only_postgres = pytest.mark.parametrize("kind", ["postgres"], indirect=True)


@pytest.mark.promise(id="SEM-1854")
async def test_settings_under_which_something_is_lost_are_a_warning_that_says_so(
    kind, make_store, caplog
):
    if kind.name == "redis":
        store = make_store()
        await store._redis.config_set("appendfsync", "everysec")
        try:
            await store.open()
        finally:
            await store._redis.config_set("appendfsync", "always")
        assert "has appendfsync everysec" in caplog.text
    else:
        store = make_store(f"{kind.server.url}&options=-csynchronous_commit%3Doff")
        await store.open()
        assert "has synchronous_commit off" in caplog.text
    caplog.clear()
    await make_store().open()
    assert caplog.text == ""


@only_redis
@pytest.mark.promise(id="SEM-1854")
async def test_a_redis_that_saves_snapshots_only_is_a_warning_that_says_so(
    kind, make_store, tmp_path, caplog
):
    server = RedisServer(tmp_path, "--appendonly", "no").start()
    try:
        store = make_store(server.url)
        await store.open()
        await store.close()
    finally:
        server.close()
    assert "saves snapshots only (appendonly no)" in caplog.text


@only_postgres
@pytest.mark.promise(id="SEM-1854")
async def test_a_postgresql_that_does_not_sync_is_a_warning_that_says_so(kind, make_store, caplog):
    await _has_fsync(kind.server, "off")
    try:
        await make_store().open()
    finally:
        await _has_fsync(kind.server, "on")
    assert "has fsync off: what was acknowledged may be lost" in caplog.text


@only_postgres
async def test_a_table_that_a_crash_empties_is_refused_with_what_to_do(kind, make_store):
    store = make_store()
    make = (
        f"CREATE UNLOGGED TABLE {store.table} (key bytea PRIMARY KEY, revision bigint, value bytea)"
    )
    kind.server.sql(make)
    with pytest.raises(StateStoreError, match="is unlogged") as no:
        await store.open()
    kind.server.sql(re.findall("ALTER TABLE .* LOGGED", str(no.value))[0])
    await store.open()
    await store.set("a", {"n": 1})


@only_redis
async def test_a_redis_that_drops_keys_when_it_is_full_is_refused(kind, make_store):
    store = make_store()
    await store._redis.config_set("maxmemory", "100mb")
    await store._redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StateStoreError, match="Set 'maxmemory-policy noeviction'"):
            await store.open()
    finally:
        await store._redis.config_set("maxmemory-policy", "noeviction")
        await store._redis.config_set("maxmemory", 0)
    await store.open()


@only_redis
async def test_a_part_of_a_redis_cluster_is_refused(kind, make_store, tmp_path):
    server = RedisServer(tmp_path, "--cluster-enabled", "yes").start()
    try:
        store = make_store(server.url)
        with pytest.raises(StateStoreError, match="part of a Redis Cluster"):
            await store.open()
        await store.close()
    finally:
        server.close()


@only_redis
async def test_a_user_who_lacks_rights_hears_when_it_opens_which_ones_are_enough(kind, make_store):
    admin = make_store()._redis

    async def clerk_may(commands: list[str]) -> None:
        await admin.execute_command(
            *("ACL", "SETUSER", "clerk", "reset", "on", ">secret", "~t*", *commands)
        )

    url = f"{kind.server.url}?username=clerk&password=secret"
    enough = "+@read +ping +info +evalsha +script"
    try:
        for rights in "+@read +ping", enough, f"{enough} +set +del +zadd":
            await clerk_may(rights.split())
            with pytest.raises(StateStoreError, match="user may not do that") as caught:
                await make_store(url).open()
            assert not caught.value.transient
        named = re.search("commands (.*), for all keys", str(caught.value))
        assert named is not None
        await clerk_may([f"+{name}" for name in re.findall(r"\w+", named[1].replace(" and ", " "))])
        store = make_store(url)
        await store.open()
        assert await store.keys() == []
        revision = await store.compare_and_set("a", {"n": 1}, 0)
        await store.write({"a": {"n": 2}, "b": {}}, expect={"a": revision})
        await store.delete("b")
        assert await store.get_many(["a", "b"]) == {"a": {"n": 2}}
        assert await store.get("a") == {"n": 2}
        assert await store.keys() == ["a"]
    finally:
        await admin.acl_deluser("clerk")


@only_redis
async def test_a_replica_opens_and_can_be_read(kind, make_store, tmp_path):
    server = RedisServer(tmp_path).start()
    try:
        store = make_store(server.url, timeout=0.1)
        await store.set("a", {"n": 1})
        await store._redis.replicaof("127.0.0.1", 1)
        await store.open()
        assert await store.get("a") == {"n": 1}
        with pytest.raises(StateStoreError, match="it is a replica"):
            await store.set("a", {"n": 2})
        await store.close()
    finally:
        server.close()


async def test_who_is_not_let_in_hears_of_it_at_once(kind, make_store):
    if kind.name == "redis":
        url = kind.server.url.replace("unix://", "unix://nobody:secret@")
    else:
        url = kind.server.url.replace("civitas@", "nobody:secret@")
    with pytest.raises(StateStoreError) as caught:
        await asyncio.wait_for(make_store(url).open(), 5)
    assert not caught.value.transient
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"timeout": 0}, {"timeout": True}, {"connections": 0}, {"connections": "8"}],
    ids=str,
)
def test_what_does_not_fit_is_refused_when_it_is_made(kind, wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        kind.make(kind.server.url, **wrong)


@pytest.mark.parametrize("url", ["http//user:secret@host", "user:secret@host/x", 7])
def test_an_address_that_cannot_be_read_is_refused_without_showing_it(kind, url):
    with pytest.raises(ConfigurationError) as caught:
        kind.make(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [5, b"x", None], ids=repr)
def test_a_name_on_the_server_that_is_not_text_is_refused_when_it_is_made(kind, wrong):
    name = "prefix" if kind.name == "redis" else "table"
    with pytest.raises(ConfigurationError, match=f"{name} must be .*; got {wrong!r}"):
        kind.make(kind.server.url, **{name: wrong})


@only_postgres
async def test_a_query_whose_caller_is_cancelled_has_ended_when_its_connection_is_given_back(
    kind, make_store
):
    store = make_store(timeout=30)
    await store.open()
    connections = store._connections
    ended = asyncio.Event()

    async def wait_long(connection):
        try:
            await connection.execute("SELECT pg_sleep(60)")
        finally:
            ended.set()

    async def call():
        async with connections.one() as connection:
            began.set_result(connection)
            await connections.answered(connection, wait_long(connection))

    began = asyncio.get_running_loop().create_future()
    calling = asyncio.ensure_future(call())
    connection = await began
    while not kind.server.sql(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    ):
        await asyncio.sleep(0.001)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(calling, 5)
    assert ended.is_set()
    assert connection.closed
    await store.set("a", {"n": 1})
    assert await store.get("a") == {"n": 1}


async def _has_fsync(server, value: str) -> None:
    server.sql(f"ALTER SYSTEM SET fsync = {value}")
    server.sql("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while server.sql("SHOW fsync") != [(value,)]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)
