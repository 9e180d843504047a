"""Large values are packed and unpacked as `msgpack` does it, and not copied."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from civitas.message import Message, decode, dumps, encode, large, loads
from civitas.message.large import (
    LARGE,
    Large,
    pack_array,
    pack_map,
    unpack_array,
    unpack_map,
)

BYTES = bytes(range(256)) * (LARGE // 256 + 1)
VALUES: list[Any] = [1, "a", None, b"few", [1, [2, b"x" * 300]], {"k": 1.5}, "text" * 3000]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 16 bytes be many."""
    monkeypatch.setattr(large, "LARGE", 16)


@pytest.mark.parametrize("place", [0, 3, len(VALUES)])
def test_an_array_with_a_large_value_is_packed_as_msgpack_does_it(place: int) -> None:
    content = bytes(70_000)
    values = [*VALUES[:place], content, *VALUES[place:]]
    as_parts = [*VALUES[:place], Large(content[:50], content[50:]), *VALUES[place:]]
    raw = msgpack.packb(values)
    packed = pack_array(as_parts)
    assert bytes(packed) == raw
    assert len(packed) == len(raw)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("raw", [bytes, memoryview, lambda raw: Large(raw[:7], raw[7:])])
def test_what_is_large_in_an_array_or_a_map_is_a_part_of_it(raw: Any) -> None:
    content = bytes(70_000)
    values = [*VALUES[:3], content, *VALUES[3:], content]
    found = unpack_array(raw(msgpack.packb(values)))
    assert [bytes(each) if type(each) is Large else each for each in found] == values
    assert [type(each) for each in found].count(Large) == 2
    named = {str(n): each for n, each in enumerate(values)}
    packed = pack_map(named)
    assert bytes(packed) == msgpack.packb(named)
    assert bytes(unpack_map(packed)["3"]) == content


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cut", [1, 8, 100, 69_000])
def test_an_array_that_is_not_whole_is_refused(cut: int) -> None:
    raw = msgpack.packb(["a", bytes(70_000), "b"])
    with pytest.raises(ValueError, match=r"whole|should have"):
        unpack_array(raw[:-cut])
    with pytest.raises(ValueError, match="should have"):
        unpack_array(raw + b"\x01")


def test_a_slice_of_large_bytes_goes_across_its_parts() -> None:
    whole = b"0123456789"
    parts = Large(whole[:3], b"", memoryview(whole)[3:4], whole[4:])
    for start in range(11):
        for stop in range(start, 13):
            assert parts[start:stop] == whole[start:stop]


@pytest.mark.promise(id="SEM-1281")
def test_a_large_payload_is_the_same_bytes_from_its_message_to_the_frame_and_back() -> None:
    message = Message(recipient="a", payload=BYTES)
    packed = dumps(message)
    assert isinstance(packed, Large)
    frame = pack_array([10, "boot", "a", packed])
    assert any(part is message.raw for part in frame.parts)  # not one copy of it was made

    arrived = memoryview(bytes(frame))
    *_, raw = unpack_array(arrived)
    assert isinstance(raw, Large)
    (part,) = raw.parts
    assert isinstance(part, memoryview)
    assert part.obj is arrived.obj  # nor of what arrived, until it is a message
    back = loads(raw)
    assert back.payload == BYTES
    assert back.raw == message.raw
    assert back.id == message.id


@pytest.mark.parametrize("payload", [BYTES, {"a": BYTES}, [BYTES, "b"], "x" * (LARGE + 1)])
def test_a_large_payload_of_any_kind_arrives_as_it_was_sent(payload: Any) -> None:
    raw = encode(payload)
    assert decode(raw) == payload
    assert raw == msgpack.packb(payload)
    again = loads(dumps(loads(dumps(Message(recipient="a", payload=payload)))))
    assert again.payload == payload
