"""Programs that are killed with all that they have, and started again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.runs import program
from tests.house.project import ROOT


def started(file: Path, start: int) -> tuple[int, list[str]]:
    """How the program ended, and what it told."""
    done = subprocess.run(
        [sys.executable, program.__file__, file, str(start)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.mark.promise(id="SEM-1621")
def test_a_killed_program_goes_on_with_all_that_it_accepted_and_gives_up_what_kills_it(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    kills = 0
    for start in range(8):
        code, lines = started(tmp_path / "state.db", start)
        told += lines
        if code == 0:
            break
        kills += 1
    accepted = re.findall(r"accepted (\w) (.+)", "\n".join(told))
    handled = re.findall(r"handles (\S+) (.+) (\d)", "\n".join(told))
    # The one that kills its program once, and three deliveries of the one that does so each time.
    assert kills == 4
    poison = [attempt for _, payload, attempt in handled if payload == "poison"]
    assert poison == ["0", "1", "2"]
    assert "poison NodeDown" in told
    assert ("a", "10", "1") in handled
    # In order, each accepted one, once but for what was in hand at a kill.
    again = [each for each in handled if each[2] != "0"]
    assert [each for each in again if each[0] == "a" and each[1] not in ("10", "poison")] == []
    in_order = [payload for name, payload, _ in handled if name == "a" and payload.isdigit()]
    assert list(dict.fromkeys(in_order)) == [str(n) for n in range(program.MESSAGES)]
    done = {(name[0], payload) for name, payload, _ in handled}
    assert set(accepted) <= done
    for conversation in "xyz":
        mine = [p for name, p, _ in handled if name == f"p/{conversation}"]
        assert list(dict.fromkeys(mine)) == [f"{conversation} {n}" for n in range(5)]
    # Beside these, at most what was in hand of each conversation at each kill.
    assert len({payload for _, payload, _ in again} - {"10", "poison"}) <= 3 * kills
    # Nothing is left beside the file.
    assert [each.name for each in tmp_path.glob("*.runs")] == []
