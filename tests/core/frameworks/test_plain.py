"""From what a framework returns to plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pytest
from pydantic import AnyUrl, BaseModel

from civitas.errors import PayloadError
from civitas.frameworks import plain


class Page(BaseModel):
    title: str
    url: AnyUrl


@dataclass
class Shelf:
    name: str
    pages: list[Page]


class Note:
    def __init__(self, text: str) -> None:
        self.text = text


def note_to_text(value: Any) -> Any:
    return value.text if isinstance(value, Note) else value


def test_dataclasses_and_pydantic_models_arrive_as_dicts_at_any_depth():
    shelf = Shelf("a", [Page(title="t", url=AnyUrl("http://x.invalid/"))])
    assert plain({"shelf": (shelf,)}) == {
        "shelf": [{"name": "a", "pages": [{"title": "t", "url": "http://x.invalid/"}]}]
    }


def test_the_framework_says_what_stands_for_its_own_objects():
    assert plain({"notes": [Note("a")], "last": Note("b")}, note_to_text) == {
        "notes": ["a"],
        "last": "b",
    }


def test_what_cannot_be_sent_is_named_with_its_path():
    with pytest.raises(PayloadError, match=r"payload\.notes\[1\]"):
        plain({"notes": [Note("a"), PurePath("x")]}, note_to_text)


def test_what_contains_itself_is_an_error_and_no_endless_loop():
    state: dict[str, Any] = {}
    state["self"] = state
    with pytest.raises(PayloadError, match="nested"):
        plain(state)


def test_the_original_is_left_as_it_is():
    state = {"notes": [Note("a")]}
    plain(state, note_to_text)
    assert isinstance(state["notes"][0], Note)
