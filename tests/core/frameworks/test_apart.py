"""Plain data whose long parts stand beside it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from civitas.frameworks.apart import apart, together
from civitas.message import decode, encode

_leaves = some.one_of(
    some.none(), some.booleans(), some.integers(-2, 2), some.sampled_from(["a", "x" * 300, b"b"])
)
_keys = some.sampled_from(
    ["a", "a/b", "~", "#1", "1", 1, None, "@list", "@dict", "@one", "@own", "@parts"]
)


def _below(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    longer = some.lists(inner, max_size=2).map(lambda items: items * 10)
    many = some.dictionaries(some.integers(0, 99), inner, min_size=17, max_size=18)
    few = some.dictionaries(_keys, inner, max_size=3)
    return some.one_of(some.lists(inner, max_size=3), longer, few, many)


@given(some.recursive(_leaves, _below, max_leaves=20))
def test_what_is_taken_apart_comes_back_as_it_was(value: Any) -> None:
    kept = decode(encode(apart("state", value)))
    assert together("state", kept) == value
    assert all(isinstance(each, list) for name, each in kept.items() if name != "state")


def test_what_is_short_stays_where_it_is() -> None:
    value = {"items": ["a", "b"], "name": "short", "more": {"n": 1}}
    assert apart("state", value) == {"state": value}


def test_a_list_that_grows_keeps_its_name() -> None:
    small = {"n": 1, "calls": {"made": list(range(20))}}
    large = {"n": 2, "calls": {"made": list(range(21))}}
    assert list(apart("s", small)) == list(apart("s", large)) == ["s", "s:/calls/made"]


def test_a_dict_with_many_keys_is_the_list_of_its_pairs() -> None:
    value = {f"key {number}": f"value {number}" for number in range(100)}
    assert apart("s", value)["s:"] == [list(pair) for pair in value.items()]


def test_many_long_values_of_a_dict_are_one_list() -> None:
    value = {f"key {number}": "long " * 100 for number in range(100)}
    assert list(apart("s", value)) == ["s", "s:"]


def test_a_dict_with_many_keys_and_some_long_lists_has_these_beside_it() -> None:
    value = {f"key {number}": f"value {number}" for number in range(100)}
    kept = apart("s", {**value, "calls": list(range(50))})
    assert list(kept) == ["s", "s:/calls", "s:"]
    assert together("s", kept) == {**value, "calls": list(range(50))}
