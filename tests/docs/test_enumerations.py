"""What the pages enumerate is what the code has: no more, and nothing is left out."""

from __future__ import annotations

import inspect
import re
import tomllib

import pytest

import civitas.errors
from civitas.events import EVENT_TYPES, DeadLetterReason
from civitas.process import ChildKind, ExitKind, Status
from tests.house.project import ROOT

RUNTIME = (ROOT / "docs" / "reference" / "runtime.md").read_text()


def words(text: str) -> list[str]:
    """What stands in back quotes."""
    return re.findall(r"`([a-z_]+)`", text)


def after(page: str, beginning: str, end: str) -> str:
    """What stands between two texts of a page."""
    return page.split(beginning, 1)[1].split(end, 1)[0]


def rows(page: str, head: str) -> dict[str, str]:
    """The table under the row `head`: what stands in the first column, with the rest."""
    table = after(page, f"{head}\n", "\n\n").splitlines()[1:]
    return {line.split("|")[1].strip(" `"): line.split("|", 2)[2] for line in table}


def test_the_page_of_the_runtime_lists_every_reason_of_a_dead_letter() -> None:
    assert list(rows(RUNTIME, "| reason | when |")) == list(DeadLetterReason)


def test_it_lists_every_event() -> None:
    assert words(after(RUNTIME, "`on` takes", ".")) == list(EVENT_TYPES)


def test_it_lists_every_status_and_kind_of_a_child() -> None:
    tree = rows(RUNTIME, "| key | what |")
    assert words(tree["status"]) == list(Status)
    assert words(tree["name`, `kind"])[1:] == list(ChildKind)


def test_it_says_what_a_node_is_called() -> None:
    assert words(rows(RUNTIME, "| key | what |")["node"])[0] == "root"


def test_the_semantics_list_every_exit_reason() -> None:
    page = (ROOT / "docs" / "semantics.md").read_text()
    assert set(ExitKind) <= set(words(page))


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def test_the_rooms_of_the_architecture_are_the_layers_that_the_linter_holds(settings) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = after(page, "```text\ncli ", "```")
    rooms = [re.match(r"\w+(?: \| \w+)*", line) for line in f"cli {drawn}".splitlines()]
    contract = next(each for each in settings["importlinter"]["contracts"] if "layers" in each)
    assert [room[0] for room in rooms if room] == contract["layers"]


def test_no_rule_of_the_linter_is_ignored_twice(settings) -> None:
    lint = settings["ruff"]["lint"]
    for rules in (lint["select"], lint["ignore"], *lint["per-file-ignores"].values()):
        assert sorted(set(rules)) == sorted(rules)


ERRORS = (ROOT / "docs" / "reference" / "errors.md").read_text()


def errors() -> dict[str, str]:
    """Each error that the page of errors explains, with what it says."""
    tables = [line for line in ERRORS.splitlines() if re.match(r"\| `[A-Z]", line)]
    return {line.split("|")[1].strip(" `"): line.split("|", 2)[2] for line in tables}


def test_the_page_of_errors_explains_every_error() -> None:
    bases = {"CivitasError", "DeliveryError"}
    assert set(errors()) == set(civitas.errors.__all__) - bases
    assert bases <= set(re.findall(r"\b[A-Z][a-z]+Error\b", ERRORS))


@pytest.mark.parametrize("name", sorted(errors()))
def test_it_names_each_fact_that_an_error_carries(name: str) -> None:
    error = getattr(civitas.errors, name)
    facts = after(f"{inspect.getdoc(error)}\n\nAttributes:\n\n\n", "Attributes:\n", "\n\n")
    told = " ".join(errors()[base.__name__] for base in error.__mro__ if base.__name__ in errors())
    missing = [
        fact for fact in re.findall(r"^    (\w+):", facts, re.MULTILINE) if f"`.{fact}`" not in told
    ]
    assert missing == []
