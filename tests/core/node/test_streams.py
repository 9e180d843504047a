"""Chunks: what a resumed run repeats is left out."""

from __future__ import annotations

from typing import Any

from civitas.message import Message
from civitas.node.streams import OFFSET, PART, Chunks


def chunk(payload: Any, part: str = "", offset: int | None = None) -> Message:
    headers = {PART: part} if part else {}
    if offset is not None:
        headers[OFFSET] = str(offset)
    return Message(payload=payload, headers=headers)


async def heard(*chunks: Message) -> list[Any]:
    stream = Chunks()
    for each in chunks:
        await stream.put(each)
    stream.end()
    said = []
    while (told := await stream.get()) is not None:
        said.append(told.payload)
    return said


async def test_a_chunk_without_a_part_is_told_as_often_as_it_comes():
    assert await heard(chunk(1), chunk(1)) == [1, 1]


async def test_a_chunk_of_a_part_is_told_once():
    assert await heard(chunk("a", "1"), chunk("b", "2"), chunk("a", "1")) == ["a", "b"]


async def test_text_that_was_heard_is_left_out_however_it_is_cut_the_second_time():
    first = [chunk({"text": "Hel"}, "m", 0), chunk({"text": "lo "}, "m", 3)]
    again = [chunk({"text": "Hello w"}, "m", 0), chunk({"text": "orld"}, "m", 7)]
    assert [each["text"] for each in await heard(*first, *again)] == ["Hel", "lo ", "w", "orld"]


async def test_text_that_is_heard_whole_is_left_out():
    assert len(await heard(chunk({"text": "Hello"}, "m", 0), chunk({"text": "He"}, "m", 0))) == 1


async def test_what_is_left_out_gives_its_place_back():
    stream, taken = Chunks(), []
    stream.push(chunk("a", "1"), lambda: taken.append(1))
    stream.push(chunk("a", "1"), lambda: taken.append(2))
    stream.end()
    assert await stream.get() is not None
    assert await stream.get() is None
    assert taken == [1, 2]
