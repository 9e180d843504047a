"""No two incarnations of an agent at once: not of a root that was killed and its next, nor of two roots."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from civitas import Runtime
from civitas.errors import ConfigurationError
from tests.integration.processes.system import CAST, agent, topology, wait_until

TREE = """\
{state}
supervision:
  children:
    - agent: {{name: a, type: {cast}.{kind}, process: w, delivery: at_least_once, args: {{file: {file}}}}}
"""

ROOT = """\
import asyncio
from civitas import Runtime
from civitas.launch import hold

hold._SAY_AFTER = 0.0

async def main():
    async with Runtime.from_config("t.yaml") as runtime:
        print("up", flush=True)
        await runtime.send("a", None)
        await runtime.wait()

asyncio.run(main())
"""


def start(folder: Path, home: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ROOT],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(Path.cwd()),
            "XDG_STATE_HOME": str(folder / home),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.promise(id="SEM-1137")
@pytest.mark.parametrize(
    ("kind", "state", "homes"),
    [
        ("Ticks", "", ("one", "one")),
        ("TicksInThread", "state: {type: sqlite, path: s.db}", ("one", "two")),
    ],
    ids=["a place of its own", "a state store"],
)
def test_the_next_root_waits_for_the_processes_of_one_that_was_killed(tmp_path, kind, state, homes):
    """It names them; and no handler outlives its root for long, also one that lets no cancellation through."""
    file = tmp_path / "ticks"
    tree = TREE.format(state=state, cast=CAST, kind=kind, file=file)
    (tmp_path / "t.yaml").write_text(tree)

    def pids() -> list[str]:
        return file.read_text().split() if file.exists() else []

    with start(tmp_path, homes[0]) as first:
        wait_until(pids)
        worker = int(pids()[0])
        os.kill(worker, signal.SIGSTOP)  # it does not see the end of its root yet
        first.kill()
        with start(tmp_path, homes[1]) as second:
            assert second.stdout is not None
            said = next(line for line in second.stdout if "up" in line or "at work" in line)
            assert f"processes {worker} of an earlier run" in said
            os.kill(worker, signal.SIGCONT)
            wait_until(lambda: len(set(pids())) > 1)
            wait_until(lambda: pids()[-5:] == [pids()[-1]] * 5)
            second.kill()
    runs = [pid for pid, _ in groupby(pids())]
    assert len(runs) == 2, "one worked beside the other"


@pytest.mark.promise(id="SEM-1138")
@pytest.mark.parametrize("process", [None, "w"])
async def test_two_systems_of_one_name_do_not_share_a_state_store(tmp_path, process):
    config = topology(agent("a", process), state={"type": "sqlite", "path": str(tmp_path / "s.db")})
    async with Runtime.from_config(config) as first:
        with pytest.raises(ConfigurationError, match="is already running with the state store"):
            await Runtime.from_config(config).start()
        assert (await first.ask("a", 1, "echo")).payload == 1
    async with Runtime.from_config(config) as next_one:
        assert (await next_one.ask("a", 2, "echo")).payload == 2
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".lock"] == []
