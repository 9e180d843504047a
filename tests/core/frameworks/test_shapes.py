"""What differs between what a run began with and what runs now, by name."""

from __future__ import annotations

import functools

import pytest

from civitas.frameworks import Part, fingerprint, name_of
from civitas.frameworks.changed_code import decided
from civitas.frameworks.shapes import differences, in_words, read_parts
from civitas.process.on_change import OnChange

TOOL = Part("tool", "refund", "triage", fingerprint({"type": "object"}))
AGENT = Part("agent", "triage")
WORDS = Part("instructions", "", "triage", fingerprint("Be kind."), loose=True)
MODEL = Part("model", "", "triage", "m1", loose=True)


def told(before: list[Part], after: list[Part]) -> list[str]:
    return [each.text for each in differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ([TOOL], [], "tool 'refund' is gone"),
        ([], [Part("node", "draft")], "node 'draft' is new"),
        ([WORDS], [Part("instructions", "", "triage", "#2")], "instructions of 'triage' changed"),
        (
            [TOOL],
            [Part("tool", "refund", "triage", "#2")],
            "the parameters of tool 'refund' changed",
        ),
        (
            [MODEL],
            [Part("model", "", "triage", "m2")],
            "model of 'triage' changed from 'm1' to 'm2'",
        ),
        (
            [MODEL],
            [Part("model", "", "triage")],
            "model of 'triage' changed from 'm1' to None",
        ),
        (
            [Part("process", "", value="a")],
            [Part("process", "", value="b")],
            "process changed from 'a' to 'b'",
        ),
    ],
)
def test_a_difference_is_told_by_name(before, after, text):
    assert told(before, after) == [text]


def test_whose_a_part_is_is_told_where_others_have_one_of_that_name():
    other = Part("tool", "refund", "billing")
    assert told([TOOL, other], [TOOL]) == ["tool 'refund' of 'billing' is gone"]


def test_of_what_is_gone_as_a_whole_nothing_below_it_is_told():
    inner = Part("node", "draft", "research/inner")
    assert told([AGENT, WORDS, TOOL, Part("node", "research"), inner], []) == [
        "agent 'triage' is gone",
        "node 'research' is gone",
    ]


def test_what_is_the_same_in_another_order_does_not_differ():
    assert told([AGENT, TOOL], [TOOL, AGENT]) == []


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ([TOOL], [], OnChange.REFUSE),
        ([TOOL], [Part("tool", "refund", "triage", "#2")], OnChange.REFUSE),
        ([], [TOOL], OnChange.GO_ON),
        ([WORDS], [Part("instructions", "", "triage", "#2", loose=True)], OnChange.GO_ON),
    ],
)
def test_without_on_change_what_a_run_may_still_need_decides(before, after, action):
    assert decided(None, differences(before, after)) is action
    assert decided(OnChange.RESTART, differences(before, after)) is OnChange.RESTART


def test_parts_are_plain_data_and_back():
    assert read_parts([WORDS.plain(), TOOL.plain()]) == [WORDS, TOOL]


def test_many_differences_are_few_words():
    texts = [f"tool '{n}' is gone" for n in range(20)]
    assert in_words(texts).endswith("tool '7' is gone; and 12 more")


def test_a_function_is_named_through_what_wraps_it():
    assert name_of(functools.partial(told, [])) == name_of(told) == f"{__name__}.told"
    assert name_of(TOOL) == "civitas.frameworks.shapes.Part"
