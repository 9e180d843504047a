"""Each promise in `docs/semantics.md` has an id of its own, and the tests that carry it say so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.house.project import ROOT, syntax, text_of

PAGE = (ROOT / "docs" / "semantics.md").read_text()
PROMISED = re.findall(r"^\| (SEM-\d+) \| .+ \|$", PAGE, re.MULTILINE)


def marks_of(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The tests of a file, each with the ids it is marked with."""
    module = syntax(file)
    classes = (each.body for each in module.body if isinstance(each, ast.ClassDef))
    for node in chain(module.body, *classes):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name[:5] == "test_":
            marks = (ast.unparse(each) for each in node.decorator_list)
            found = (re.fullmatch(r"pytest\.mark\.promise\(id='(.+)'\)", mark) for mark in marks)
            yield node.name, [match[1] for match in found if match]


@pytest.fixture(scope="module")
def tests() -> list[tuple[str, list[str]]]:
    files = (ROOT / "tests").rglob("test_*.py")
    return [each for file in files for each in marks_of(file)]


def test_each_promise_has_an_id_of_its_own() -> None:
    assert len(PROMISED) > 100
    assert sorted(set(PROMISED)) == sorted(PROMISED)


def test_every_promise_is_carried_by_a_test_and_every_mark_is_a_promise(
    tests: list[tuple[str, list[str]]],
) -> None:
    marked = {id for _, ids in tests for id in ids}
    assert (set(PROMISED) - marked, marked - set(PROMISED)) == (set(), set())


def test_no_promise_is_marked_in_another_form() -> None:
    for file in (ROOT / "tests").rglob("test_*.py"):
        written = len(re.findall(r"^@.*promise", text_of(file), re.MULTILINE))
        assert written == sum(len(ids) for _, ids in marks_of(file)), file.name


def test_the_tests_named_beside_the_cases_of_otp_exist(
    tests: list[tuple[str, list[str]]],
) -> None:
    page = (ROOT / "docs" / "reference" / "otp-cases.md").read_text()
    assert set(re.findall(r"`(test_\w+)`", page)) - {name for name, _ in tests} == set()
