"""Streams and consumers of a real server: made whole, and left as they are."""

from __future__ import annotations

import pytest
import pytest_asyncio

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.jetstream import (
    JetStream,
    Purpose,
    StreamLimits,
    limit_problems,
    make_consumer,
    make_stream,
)
from civitas.errors import ConfigurationError
from tests.core.state.conftest import with_jetstream

PURPOSE = Purpose("the test", "what it needs", "t.>", ConfigurationError)
STREAM = {"name": "T", "subjects": ["t.>"], "retention": "workqueue", "discard": "new"}
CONSUMER = {"name": "c", "filter_subject": "t.c", "ack_wait": 5 * 10**9, "max_ack_pending": 7}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = with_jetstream(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


@pytest_asyncio.fixture
async def server(running):
    server = JetStream(NatsOptions.of({"servers": running.url}), "T", 5.0, PURPOSE)
    yield server
    for stream in (await server.api("STREAM.NAMES"))["streams"] or []:
        await server.api(f"STREAM.DELETE.{stream}")
    await server.close()


async def test_a_stream_and_its_consumer_are_made_once(server):
    for _ in range(2):
        made = await make_stream(
            server, {**STREAM, **StreamLimits.of({"max_age": "7d"}).settings()}
        )
        assert made["config"]["max_age"] == 7 * 86400 * 10**9
        consumer = await make_consumer(server, "T", CONSUMER)
        assert consumer["config"]["max_ack_pending"] == 7


async def test_a_stream_with_other_settings_is_refused_and_not_changed(server):
    await make_stream(server, STREAM)
    with pytest.raises(
        ConfigurationError, match=r"'T' is there with other settings.*max_bytes is -1, not 1000"
    ):
        await make_stream(server, {**STREAM, "max_bytes": 1000})
    assert (await server.api("STREAM.INFO.T"))["config"]["max_bytes"] == -1


async def test_a_setting_that_nobody_asked_for_is_drift_too(server):
    await server.api("STREAM.CREATE.T", **STREAM, max_msgs=5)
    with pytest.raises(ConfigurationError, match="max_msgs is 5, not -1"):
        await make_stream(server, STREAM)


async def test_a_consumer_with_other_settings_is_refused_and_not_changed(server):
    await make_stream(server, STREAM)
    await make_consumer(server, "T", CONSUMER)
    with pytest.raises(
        ConfigurationError, match=r"consumer 'c' of the stream 'T'.*max_ack_pending is 7, not 8"
    ):
        await make_consumer(server, "T", {**CONSUMER, "max_ack_pending": 8})
    assert (await make_consumer(server, "T", CONSUMER))["config"]["max_ack_pending"] == 7


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        ({"num_replicas": 3}, "Write replicas: 1"),
        ({"max_bytes": 2**62}, "Lower max_bytes"),
        ({"subjects": ["$JS.>"]}, "the server refused"),
    ],
)
async def test_what_the_server_refuses_names_the_cure(server, setting, cure):
    with pytest.raises(ConfigurationError, match=cure):
        await make_stream(server, {**STREAM, **setting})


async def test_subjects_that_another_stream_takes_are_refused(server):
    await make_stream(server, STREAM)
    with pytest.raises(ConfigurationError, match="another stream takes these subjects"):
        await make_stream(server, {**STREAM, "name": "U"})


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, {"storage": "file", "num_replicas": 1, "max_age": 0, "max_bytes": -1}),
        ({"storage": "memory"}, {"storage": "memory"}),
        ({"max_age": "90"}, {"max_age": 90 * 10**9}),
        ({"max_age": 1.5}, {"max_age": 1_500_000_000}),
        ({"max_age": "12h"}, {"max_age": 12 * 3600 * 10**9}),
        ({"max_bytes": "10GiB"}, {"max_bytes": 10 * 2**30}),
        ({"max_bytes": "1.5MB"}, {"max_bytes": 1_500_000}),
        ({"max_bytes": 1000}, {"max_bytes": 1000}),
        ({"sync": "async"}, {"persist_mode": "async"}),
        ({"replicas": 3}, {"num_replicas": 3}),
    ],
)
def test_limits_are_read(given, settings):
    assert list(limit_problems(given)) == []
    assert settings.items() <= StreamLimits.of(given).settings().items()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, "'stream' must be a mapping"),
        ({"storag": "file"}, "did you mean 'storage'?"),
        ({"storage": "disk"}, "'storage' must be file or memory"),
        ({"replicas": 0}, "'replicas' must be"),
        ({"replicas": True}, "'replicas' must be"),
        ({"max_age": "soon"}, "'max_age' must be"),
        ({"max_age": 0.5}, "'max_age' must be"),
        ({"max_bytes": "10 GiBs"}, "'max_bytes' must be"),
        ({"max_bytes": True}, "'max_bytes' must be"),
        ({"sync": "always"}, "sync_interval: always"),
    ],
)
def test_what_is_wrong_with_limits_is_told(given, problem):
    (found,) = limit_problems(given)
    assert problem in found
