"""What a root and its processes hold together."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from civitas.errors import ConfigurationError
from civitas.launch import Hold, hold

WHAT = "system 'x' is already running"

# A root that ends as one does that is killed, and leaves a process behind; that ends with its standard input.
ROOT = """\
import asyncio, os, subprocess, sys
from pathlib import Path
from civitas.launch import Hold

hold = Hold(Path(sys.argv[1]), "", alone=True)
asyncio.run(hold.take())
subprocess.Popen(["cat"], pass_fds=[hold.descriptor])
os._exit(0)
"""


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "x.lock"


@pytest.fixture
def orphan(file):
    """Holds it, though its root is gone; ends when its input is closed."""
    with subprocess.Popen([sys.executable, "-c", ROOT, str(file)], stdin=subprocess.PIPE) as root:
        assert root.wait() == 0
        yield root.stdin


def one(file: Path, *, alone: bool = True) -> Hold:
    return Hold(file, WHAT, alone=alone)


async def test_a_system_that_runs_is_not_joined_by_another(file):
    first, second, third = one(file), one(file), one(file, alone=False)
    await first.take()
    with pytest.raises(ConfigurationError, match=rf"is already running \(process {os.getpid()}\)"):
        await second.take()
    await third.take()
    assert third.descriptor is None
    first.release()
    await second.take()
    assert second.descriptor is not None
    second.release()
    assert not file.exists()


async def test_the_processes_of_a_root_that_is_gone_are_waited_for_and_named(
    file, orphan, monkeypatch, caplog
):
    monkeypatch.setattr(hold, "_SAY_AFTER", 0.0)
    mine = one(file)
    taking = asyncio.create_task(mine.take())
    async with asyncio.timeout(10):
        while not caplog.text:
            await asyncio.sleep(0.005)
    assert "of an earlier run, whose root is gone, are still at work" in caplog.text
    assert not taking.done()
    orphan.close()
    await asyncio.wait_for(taking, 10)
    mine.release()


async def test_processes_that_do_not_end_are_an_error_that_names_them(file, orphan, monkeypatch):
    monkeypatch.setattr(hold, "_GIVE_UP_AFTER", 0.0)
    with pytest.raises(ConfigurationError, match=r"processes \d+ of an earlier run.*end them"):
        await one(file).take()


async def test_a_folder_that_cannot_be_written_holds_nothing(tmp_path):
    mine = one(tmp_path / "nothing" / "x.lock")
    await mine.take()
    assert mine.descriptor is None
    mine.release()


async def test_a_folder_that_was_made_for_it_goes_with_it(tmp_path):
    folder = tmp_path / "made"
    mine = Hold(folder / "x.lock", WHAT, alone=True, make_folder=folder.mkdir)
    await mine.take()
    assert folder.exists()
    mine.release()
    assert not folder.exists()
