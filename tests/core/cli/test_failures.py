"""From an exception to a line on stderr and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from civitas.cli import main
from civitas.cli.failures import guarded


class NoArgsIsHelpError(Exception):
    """As the code of a user may have it."""

    def format_message(self) -> str:
        return "never shown"


def test_an_exception_of_the_user_is_no_misuse_of_the_command_whatever_it_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise NoArgsIsHelpError("the lamp is broken")

    assert guarded(command, verbose=False) == 1
    assert "NoArgsIsHelpError: the lamp is broken" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["--version"]) == 1
    said = capsys.readouterr().err
    assert said == "civitas: the output cannot be written: No space left on device\n"
