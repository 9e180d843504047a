"""Ids, payload rules and messages."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.errors import PayloadError
from civitas.message import MAX_PAYLOAD, Message, decode, encode, new_id, to_plain


class Colour(Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    inner: tuple[int, ...]


class Model(pydantic.BaseModel):
    when: datetime


class Connection:
    pass


NOW = datetime(2026, 11, 22, 12, 30, 15, 250, tzinfo=UTC)
ID = uuid.uuid4()


@pytest.mark.promise(id="SEM-111")
def test_an_id_is_a_uuid_of_version_7_with_the_time_in_it() -> None:
    parsed = uuid.UUID(new_id())
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    seconds = (parsed.int >> 80) / 1000
    assert abs(seconds - datetime.now(UTC).timestamp()) < 5


@pytest.mark.promise(id="SEM-111")
def test_ids_of_one_process_sort_in_the_order_they_were_made() -> None:
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.promise(id="SEM-104")
@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ({"n": 1, "text": "hello", "none": None, "yes": True, "f": 1.5}, None),
        ({"raw": b"\x00\xff", 3: "three", 2.5: "key", b"k": 1, None: 0}, None),
        ([1, [2, [3]]], None),
        (NOW, None),
        (date(2026, 1, 2), None),
        (timedelta(days=-1, microseconds=5), None),
        (ID, None),
        ({ID: 1}, None),
        (Decimal("1.10"), None),
        ({1, 2}, None),
        (frozenset({"a"}), None),
        ({NOW, ID}, None),
        ((1, (2, 3)), [1, [2, 3]]),
        (Colour.RED, "red"),
        ({Colour.RED: Colour.RED}, {"red": "red"}),
        (Point(1, (2,)), {"x": 1, "inner": [2]}),
        (Model(when=NOW), {"when": NOW}),
        (bytearray(b"x"), b"x"),
        (2**64 - 1, None),
        (-(2**63), None),
    ],
)
def test_a_payload_arrives_as_the_rules_say(sent: Any, arrives: Any) -> None:
    expected = sent if arrives is None else arrives
    received = decode(encode(sent))
    assert received == expected
    assert type(received) is type(expected)


@pytest.mark.promise(id="SEM-103")
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"items": [0, 1, 2, {"conn": Connection()}]}, "payload.items[3].conn"),
        ({"a b": Connection()}, "payload['a b']"),
        (Point(Connection(), ()), "payload.x"),  # type: ignore[arg-type]
        ({"big": 2**64}, "payload.big"),
        ({(1, 2): 3}, "payload"),
        ({"t": "\ud800"}, "payload.t"),
        ({"s": {(1, 2)}}, "payload.s"),
        (Connection, "payload"),
        (lambda: None, "payload"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_path(sent: Any, path: str) -> None:
    with pytest.raises(PayloadError) as caught:
        encode(sent)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")


def test_a_payload_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(PayloadError, match="contains itself"):
        encode(loop)


@pytest.mark.promise(id="SEM-110")
def test_a_payload_over_64_mib_is_refused_with_its_size() -> None:
    with pytest.raises(PayloadError, match="more than the 67,108,864"):
        encode(b"x" * MAX_PAYLOAD)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@pytest.mark.promise(id="SEM-102")
@given(plain)
def test_plain_data_arrives_unchanged_and_as_a_copy(value: Any) -> None:
    received = decode(encode(value))
    assert received == value
    assert to_plain(value) == value
    if isinstance(value, (list, dict)):
        assert received is not value


@pytest.mark.promise(id="SEM-104")
@given(st.from_type(object) | plain)
def test_anything_is_either_sent_or_a_payload_error(value: Any) -> None:
    try:
        raw = encode(value)
    except PayloadError:
        return
    decode(raw)


@pytest.mark.promise(id="SEM-111")
def test_a_message_is_frozen() -> None:
    message = Message(payload={"a": 1}, recipient="x")
    with pytest.raises(AttributeError, match="frozen"):
        message.type = "other"
    with pytest.raises(AttributeError, match="frozen"):
        del message.payload


def test_a_message_built_by_hand_has_defaults() -> None:
    message = Message(payload={"a": (1,)})
    assert (message.type, message.sender, message.attempt) == ("message", None, 0)
    assert message.payload == {"a": [1]}
    assert dict(message.headers) == {}


def test_a_second_attempt_gets_the_payload_as_it_was_sent() -> None:
    message = Message(payload={"items": [1]})
    message.payload["items"].append(2)
    again = message._again(1)
    assert again.payload == {"items": [1]}
    assert (again.id, again.attempt) == (message.id, 1)


@pytest.mark.promise(id="SEM-127")
def test_an_extension_of_a_newer_peer_is_handed_on() -> None:
    import msgpack

    newer = msgpack.packb(msgpack.ExtType(99, b"?"))
    assert decode(newer) == msgpack.ExtType(99, b"?")
