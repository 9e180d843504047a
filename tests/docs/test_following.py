"""The tools that follow a page do not pass over what the page does not say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.following import Shell
from tests.docs.sessions import as_ever

FOLDER = Path("/nowhere")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with Shell(tmp_path, {"PATH": os.defpath}, limit=20) as shell:
        yield shell


def test_a_command_that_fails_fails_the_page(shell: Shell) -> None:
    assert shell.type("echo fine", 1) == "fine\n"
    with pytest.raises(AssertionError, match=r"fails with 3, and prints\nwrong"):
        shell.type("(echo wrong; exit 3)", 1)


@pytest.mark.parametrize("trouble", ["Traceback (most recent call last):", "12:00 ERROR lost"])
def test_trouble_that_a_job_prints_beside_the_page_fails_the_page(
    shell: Shell, tmp_path: Path, trouble: str
) -> None:
    go_on, gone_on = tmp_path / "go_on", tmp_path / "gone_on"
    os.mkfifo(go_on)
    os.mkfifo(gone_on)
    shell.type(f"(echo ready; read <go_on; echo '{trouble}'; echo >gone_on) &", 1)
    go_on.write_text("\n")
    gone_on.read_text()
    with pytest.raises(AssertionError, match="a job in the background prints"):
        shell.type("echo next", 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("workers 12", "workers 31"),
        ("took 5000 s", "took 12 s"),
        ("it works now", "it works 3 s"),
        ("└── meanwhile the event loop was held by\n    └── 12 %  x\nlost", ""),
    ],
)
def test_what_a_page_says_wrongly_is_seen(one: str, other: str) -> None:
    assert as_ever(one, FOLDER) != as_ever(other, FOLDER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("for 12 s", "for 4.1 s"),
        ("a  1 s  b", "a  now  b"),
        ("01a22be7-fbdf-75a6-b1c2-00aa56016e00  89", f"{'0' * 32}  8919"),
        ("a\n└── meanwhile the event loop was held by\n    └── 12 %  x\n", "a"),
    ],
)
def test_what_differs_each_time_is_not_compared(one: str, other: str) -> None:
    assert as_ever(one, FOLDER) == as_ever(other, FOLDER)
