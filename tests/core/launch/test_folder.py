"""The folder for temporary files of a root."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from civitas.launch import RunFolder

# A root that is killed, and leaves a process behind or not.
ROOT = """\
import asyncio, os, subprocess, sys
from civitas.launch import RunFolder

folder = RunFolder()
asyncio.run(folder.lock())
print(folder.path, flush=True)
if sys.argv[1:]:
    subprocess.Popen(["cat"], pass_fds=[folder.hold.descriptor], stdout=subprocess.DEVNULL)
os._exit(0)
"""


@pytest.mark.promise(id="SEM-1140")
@pytest.mark.parametrize("orphan", [False, True])
def test_what_is_provably_nobodys_is_removed(tmp_path, monkeypatch, orphan):
    """Not that of a root whose processes are still there, nor one that was made just now."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    command = [sys.executable, "-c", ROOT, *(["orphan"] if orphan else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as root:
        assert root.stdout is not None
        assert root.stdin is not None
        left = Path(root.stdout.readline().strip())
        root.wait()
        (left / "w.in-hand").touch()
        RunFolder().remove()
        assert left.exists()  # it is new
        os.utime(left, (1, 1))
        RunFolder().remove()
        assert left.exists() is orphan
        root.stdin.close()
    assert [each for each in tmp_path.iterdir() if each != left] == []
