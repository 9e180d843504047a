"""Plain data that holds each part once, and whose long parts stand beside it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from civitas.frameworks.apart import apart, together
from civitas_openai._folded import fold, unfold

LONG = "a text that is long enough to be pointed at"

_leaves = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-2, 2),
    some.sampled_from([0.0, 1.0, "a", LONG, LONG[::-1], "x" * 300]),
)
_keys = some.sampled_from(["a", "a/b", "~", "=", "=..", "'", "@list", "@dict", "@one", "@own"])


def _below(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    many = some.dictionaries(some.integers(0, 30).map(str), inner, min_size=17, max_size=18)
    longer = some.lists(inner, max_size=2).map(lambda items: items * 10)
    return some.one_of(
        some.lists(inner, max_size=4), longer, some.dictionaries(_keys, inner, max_size=3), many
    )


PLAIN = some.recursive(_leaves, _below, max_leaves=20)


@given(PLAIN, some.lists(PLAIN, max_size=3))
def test_what_is_folded_and_taken_apart_comes_back_as_it_was(value: Any, known: list[Any]) -> None:
    before = json.dumps([value, known])
    kept = json.loads(json.dumps(apart("state", fold(value, known))))
    assert json.dumps(unfold(together("state", kept), known)) == json.dumps(value)
    assert json.dumps([value, known]) == before


def test_a_part_that_is_known_or_came_before_is_pointed_at() -> None:
    item = {"role": "user", "content": LONG}
    folded = fold({"input": [item, {"other": LONG[::-1]}], "again": {"other": LONG[::-1]}}, [item])
    assert json.dumps(folded).count(LONG) == 0
    assert json.dumps(folded).count(LONG[::-1]) == 1


def test_parts_that_stand_behind_each_other_are_pointed_at_as_one() -> None:
    known = [{"role": "user", "content": f"{LONG} {number}"} for number in range(1000)]
    assert fold([*known, "new"], known) == [{"=..": [0, 0, 1000]}, "new"]


def test_what_is_unfolded_can_be_changed_without_changing_what_is_known() -> None:
    known = [{"role": "user", "content": LONG}]
    unfolded = unfold(fold({"input": known, "first": known[0]}, known), known)
    unfolded["input"][0]["content"] = unfolded["first"]["content"] = "changed"
    assert known[0]["content"] == LONG


def test_a_list_that_grows_keeps_its_name_and_what_it_begins_with() -> None:
    some_ = [{"call": number} for number in range(20)]
    more = [*some_, {"call": 20}]
    first, second = (apart("s", {"calls": each, "n": len(each)}) for each in (some_, more))
    (name,) = first.keys() - {"s"}
    assert second[name][:20] == first[name]
    assert "call" not in json.dumps(first["s"]).replace("calls", "")
