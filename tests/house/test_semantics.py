"""Each promise in `docs/semantics.md` has an id of its own and tests that exist."""

from __future__ import annotations

import re

import pytest

from tests.house.project import ROOT

_ROW = re.compile(r"^\| (SEM-\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
PROMISES = _ROW.findall((ROOT / "docs" / "semantics.md").read_text())


@pytest.fixture(scope="module")
def known() -> set[str]:
    names: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        names.update(re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE))
    return names


def test_there_are_promises_and_each_has_an_id_of_its_own() -> None:
    ids = [id for id, _, _ in PROMISES]
    assert len(ids) > 40
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("id", "tests"), [(id, tests) for id, _, tests in PROMISES])
def test_a_promise_is_carried_by_tests_that_exist(id: str, tests: str, known: set[str]) -> None:
    named = re.findall(r"`(test_\w+)`", tests)
    assert named, f"{id} names no test"
    assert [name for name in named if name not in known] == []


def test_the_tests_named_beside_the_cases_of_otp_exist(known: set[str]) -> None:
    page = (ROOT / "docs" / "reference" / "otp-cases.md").read_text()
    assert set(re.findall(r"`(test_\w+)`", page)) - known == set()
