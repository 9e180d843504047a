"""How keys are written as subjects of a bucket."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from civitas.state.nats_kv.key_subjects import (
    LONG,
    key_of_subject,
    listing_of,
    subject_of,
    written,
)

KEYS = [
    "a/b",
    "a:b",
    "a.b",
    "a=2Fb",
    "a//b",
    "a/",
    "/a",
    ":",
    "::",
    "=_",
    "=",
    "=a",
    "a=",
    "_kv",
    "a:/b",
    "ä",
    "日/本",
]


@pytest.mark.promise(id="SEM-1432")
@given(
    st.lists(
        st.text(min_size=1).filter(lambda key: not re.search("[\ud800-\udfff]", key)), max_size=20
    )
)
@example(KEYS)
def test_no_two_keys_have_one_subject_and_each_is_found_again(keys):
    keys = {*keys, *KEYS}
    subjects = {subject_of(key) for key in keys}
    assert len(subjects) == len(keys)
    for key in keys:
        subject = written(key)
        assert re.fullmatch(r"[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*", subject)
        assert key_of_subject(subject) == key


@pytest.mark.promise(id="SEM-1432")
@given(st.text("ab/:.=_", min_size=1), st.text("ab/:.=_"))
def test_the_server_lists_every_key_that_begins_with_a_prefix(prefix, rest):
    pattern = re.escape(listing_of(prefix)).replace(">", ".+")
    assert re.fullmatch(pattern, subject_of(prefix + rest))


def test_a_prefix_that_ends_a_part_is_listed_by_the_server_alone():
    assert listing_of("civitas:step:counter/1/") == "civitas=.step=.counter.1.>"
    assert listing_of("civitas:st") == "civitas=.>"


def test_a_long_key_has_a_short_subject():
    assert subject_of("k" * 5000).startswith(f"{LONG}.")
    assert len(subject_of("k" * 5000)) < 100
    assert subject_of("k" * 5000) != subject_of("k" * 5001)


@pytest.mark.parametrize("subject", ["a=2fb", "=C3", "=long.abc", "a=zz", "=pieces.1", "=41"])
def test_a_subject_that_stands_for_no_key_is_passed_over(subject):
    assert key_of_subject(subject) is None
