"""A process ends with its starter, also when that is killed with -9 and can do nothing for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

STARTER = """
import asyncio
from civitas.launch import OsProcess, ProcessOptions
async def main():
    process = OsProcess("w", ProcessOptions(), module="orphan", on_line=print)
    await process.start({})
    await process.wait()
asyncio.run(main())
"""
ORPHAN = """
import asyncio, os
from civitas.launch import Lifeline, read_boot
async def main():
    Lifeline(read_boot()[1], lambda: None, grace=0.2)
    print("pid", os.getpid())
    {life}
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "life",
    ["await asyncio.sleep(60)", "while True: pass", "sum(range(10**13))"],
    ids=["in order", "stuck in Python", "stuck in C with the lock"],
)
def test_a_process_is_gone_when_its_starter_was_killed(tmp_path: Path, life: str) -> None:
    (tmp_path / "orphan.py").write_text(dedent(ORPHAN.format(life=life)))
    with subprocess.Popen(
        [sys.executable, "-u", "-c", STARTER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline().split()[-1])
        starter.kill()
    limit = time.monotonic() + 50
    while _runs(pid):
        assert time.monotonic() < limit, "it is still there"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether it does; who ended and was not asked for yet, as in a container without an init, does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
