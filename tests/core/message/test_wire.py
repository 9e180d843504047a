"""Whole messages as bytes, in both formats, between peers of different age."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.errors import ConfigurationError
from civitas.message import (
    WIRE_VERSION,
    Message,
    Serializer,
    dump_chunks,
    dumps,
    load_chunks,
    loads,
)
from civitas.message.large import Large

FULL = Message(
    payload={"n": 1},
    type="plan",
    sender="a",
    recipient="b",
    correlation_id="c",
    reply_to="root",
    conversation="user-42",
    headers={"traceparent": "00-1"},
    deadline=2.5,
    attempt=3,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
)
keys = st.text(st.characters(codec="utf-8")) | st.integers(-(2**63), 2**63) | st.just("$civitas")
payloads = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.sets(st.integers(0, 99)),
    max_leaves=15,
)


@pytest.mark.promise(id="SEM-126")
@pytest.mark.parametrize("serializer", list(Serializer))
@given(payload=payloads)
def test_a_message_arrives_as_it_was_sent_in_either_format(
    serializer: Serializer, payload: Any
) -> None:
    message = Message(payload=payload, recipient="b")
    arrived = loads(dumps(message, serializer))
    assert arrived.payload == message.payload
    assert (arrived.id, arrived.recipient) == (message.id, "b")


@pytest.mark.promise(id="SEM-126")
@pytest.mark.parametrize("serializer", list(Serializer))
def test_every_field_of_a_message_arrives(serializer: Serializer) -> None:
    arrived = loads(dumps(FULL, serializer))
    for field in ("type", "sender", "recipient", "correlation_id", "reply_to", "conversation"):
        assert getattr(arrived, field) == getattr(FULL, field)
    assert (arrived.headers, arrived.timestamp) == (FULL.headers, FULL.timestamp)
    assert (arrived.deadline, arrived.attempt, arrived.payload) == (2.5, 3, {"n": 1})


@pytest.mark.promise(id="SEM-126")
@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, tzinfo=UTC),
        date(2026, 1, 2),
        time(3, 4),
        timedelta(days=-1),
        uuid4(),
        Decimal("1.10"),
        {1, 2},
        frozenset({"x"}),
        b"\x00",
        {1: "a", None: "b"},
        {"$civitas": "datetime", "value": "not one"},
        {"$civitas": {"$civitas": 1}},
    ],
)
def test_json_keeps_what_it_has_no_form_for(value: Any) -> None:
    message = Message(payload=value, recipient="b")
    decoded = loads(dumps(message, Serializer.JSON)).payload
    assert decoded == value
    assert type(decoded) is type(value)


def read(serializer: Serializer, frame: bytes | Large) -> dict[str, Any]:
    envelope: dict[str, Any] = (
        json.loads(bytes(frame)) if serializer is Serializer.JSON else msgpack.unpackb(bytes(frame))
    )
    return envelope


def write(serializer: Serializer, envelope: dict[str, Any]) -> bytes:
    if serializer is Serializer.JSON:
        return json.dumps(envelope).encode()
    frame: bytes = msgpack.packb(envelope)
    return frame


@pytest.mark.promise(id="SEM-127")
@pytest.mark.parametrize("serializer", list(Serializer))
def test_a_key_of_a_newer_peer_is_passed_over(serializer: Serializer) -> None:
    envelope = read(serializer, dumps(FULL, serializer)) | {"priority": 7}
    assert loads(write(serializer, envelope)).payload == {"n": 1}


@pytest.mark.promise(id="SEM-127")
@pytest.mark.parametrize("serializer", list(Serializer))
def test_a_key_that_an_older_peer_does_not_send_has_its_default(serializer: Serializer) -> None:
    envelope = read(serializer, dumps(FULL, serializer))
    for key in ("attempt", "headers", "conversation", "deadline", "sender"):
        del envelope[key]
    arrived = loads(write(serializer, envelope))
    assert (arrived.attempt, dict(arrived.headers), arrived.deadline) == (0, {}, None)


@pytest.mark.promise(id="SEM-127")
@pytest.mark.parametrize("serializer", list(Serializer))
@pytest.mark.parametrize(("version", "where"), [(WIRE_VERSION + 1, "here"), (0, "there")])
def test_a_peer_of_another_major_version_is_told_who_must_upgrade(
    serializer: Serializer, version: int, where: str
) -> None:
    envelope = read(serializer, dumps(FULL, serializer)) | {"v": version}
    with pytest.raises(ConfigurationError, match=f"upgrade civitas-core {where}"):
        loads(write(serializer, envelope))


@pytest.mark.parametrize("frame", [b"", b"hello", b"{", b"{}", b"\xc1", b"\x80", b"[]", b"1"])
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    with pytest.raises(ConfigurationError):
        loads(frame)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(frame: bytes) -> None:
    with pytest.raises(ConfigurationError):
        loads(frame)


@pytest.mark.parametrize("missing", ["type", "recipient", "id"])
def test_a_message_without_what_it_needs_is_refused_by_name(missing: str) -> None:
    envelope = read(Serializer.MSGPACK, dumps(FULL))
    del envelope[missing]
    with pytest.raises(ConfigurationError, match=missing):
        loads(write(Serializer.MSGPACK, envelope))


def test_chunks_that_travel_together_arrive_whole_and_in_order() -> None:
    chunks = [
        Message(
            payload={"n": 1}, type="text", sender="a", recipient="r", conversation="c", run="x"
        ),
        Message(payload=None, recipient="r", correlation_id="q", headers={"civitas-part": "1"}),
    ]
    arrived = load_chunks(dump_chunks(chunks))
    fields = ("id", "type", "sender", "recipient", "correlation_id", "conversation", "headers")
    for came, sent in zip(arrived, chunks, strict=True):
        assert [getattr(came, each) for each in fields] == [getattr(sent, each) for each in fields]
        assert (came.payload, came.timestamp) == (sent.payload, sent.timestamp)


@pytest.mark.parametrize(
    "rows",
    [
        b"\xc1",
        msgpack.packb(1),
        msgpack.packb([1]),
        msgpack.packb([["id"]]),
        msgpack.packb([["id", "chunk", None, "r", "no bytes", 1.0, None, None, None]]),
        msgpack.packb([["id", "chunk", None, "r", b"", 1.0, None, None, {"a": 1}]]),
        msgpack.packb([["id", "chunk", None, "r", b"", 1.0, None, "", None]]),
    ],
)
def test_what_are_no_chunks_is_refused(rows: bytes) -> None:
    with pytest.raises(ConfigurationError, match="chunks arrived that cannot be read"):
        load_chunks(rows)
