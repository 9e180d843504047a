"""When the root ends, in order or not, no process is left; that is what the fixture of this folder looks at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deep import further
from tests.integration.processes.conftest import marked
from tests.integration.processes.system import CAST

TREE = f"""\
runtime: {{drain_timeout: 2}}
supervision:
  name: root
  children:
    - agent: {{name: a, type: {CAST}.Actor}}
    - agent: {{name: b, type: {CAST}.Actor, process: w, shutdown_timeout: 1}}
    - agent: {{name: c, type: {CAST}.Actor, process: v, shutdown_timeout: 1}}
"""

ROOT = """\
import asyncio, os, sys
from civitas import Runtime

async def main():
    async with Runtime.from_config("t.yaml") as runtime:
        for order in sys.argv[1:]:
            name, _, type = order.partition("=")
            await runtime.send(name, "done", type)
            while not os.path.exists("done") and type != "echo":
                await asyncio.sleep(0.01)
        print("up", flush=True)
        await runtime.wait()

asyncio.run(main())
"""

SENDS = """\
from civitas import AgentProcess

class Sends(AgentProcess):
    async def on_start(self):
        for n in range(5):
            for name in ("w", "v"):
                await self.send(name, {"from": name, "n": n})

    async def handle(self, message): ...
"""


def start(folder: Path, *arguments: str, tree: str = TREE) -> subprocess.Popen[str]:
    (folder / "t.yaml").write_text(tree)
    (folder / "root.py").write_text(ROOT)
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(lines: Iterator[str], word: str) -> list[str]:
    said = []
    for line in lines:
        said.append(line)
        if word in line:
            return said
    raise AssertionError(f"{word!r} was never said, but: {''.join(said)}")


def gone_after(seconds: float) -> None:
    """Wait, for so long at most, until no process below this test is left."""
    began = time.monotonic()
    while left := marked(os.environ["CIVITAS_TEST_MARK"]):
        assert time.monotonic() - began < seconds, left
        time.sleep(0.02)


@pytest.mark.promise(id="SEM-912")
@pytest.mark.parametrize("doing", ["echo", "stuck_in_c", *further("stuck_in_python")])
def test_killing_the_root_leaves_no_orphan(tmp_path, doing):
    """Also where the loop of a worker is stuck, in Python or in C."""
    with start(tmp_path, "root.py", f"b={doing}") as root:
        assert root.stdout is not None
        read_until(root.stdout, "up")
        root.kill()
        root.wait()
        gone_after(20)


@pytest.mark.promise(id="SEM-912")
@pytest.mark.parametrize("delay", [0.3, *further(0.1, 0.2, 0.4, 0.5, 0.6, 0.9)])
def test_killing_the_root_while_its_processes_start_leaves_no_orphan(tmp_path, delay):
    with start(tmp_path, "root.py") as root:
        time.sleep(delay)
        root.kill()
        root.wait()
        gone_after(20)


@pytest.mark.promise(id="SEM-912")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_civitas_run_ends_all_of_it(tmp_path, how):
    with start(tmp_path, "-m", "civitas.cli", "run", "t.yaml") as root:
        assert root.stdout is not None
        deadline = time.monotonic() + 20
        while len(marked(os.environ["CIVITAS_TEST_MARK"])) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(1)
        root.send_signal(how)
        said = root.stdout.read()
        assert root.wait() == 0, said
        assert "Traceback" not in said
        gone_after(2)


@pytest.mark.promise(id="SEM-1166")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_of_a_service_drains_them_as_one_to_the_root_does(tmp_path, how):
    heard, gate = tmp_path / "heard", tmp_path / "gate"
    tree = f"""\
runtime: {{drain_timeout: 15}}
supervision:
  name: root
  children:
    - agent: {{name: w, type: {CAST}.Gated, process: w, file: {heard}, gate: {gate}}}
    - agent: {{name: v, type: {CAST}.Gated, process: v, file: {heard}, gate: {gate}}}
    - agent: {{name: first, type: senders.Sends, process: v}}
"""
    (tmp_path / "senders.py").write_text(SENDS)
    with start(tmp_path, "-m", "civitas.cli", "run", "t.yaml", tree=tree) as root:
        assert root.stdout is not None
        read_until(root.stdout, "ready")
        for pid in marked(os.environ["CIVITAS_TEST_MARK"]):
            os.kill(pid, how)
        read_until(root.stdout, "stopping")
        time.sleep(1.2)  # longer than a worker waits for the word of the root
        gate.touch()
        said = root.stdout.read()
        assert root.wait() == 0, said
        assert "down" not in said
    assert sorted(heard.read_text().splitlines()) == sorted(
        f"{name} {n}" for name in "wv" for n in range(5)
    )


@pytest.mark.promise(id="SEM-912")
@pytest.mark.parametrize("doing", ["stuck_in_c", *further("stuck_in_python")])
def test_a_stuck_worker_does_not_keep_the_root_from_ending(tmp_path, doing):
    with start(tmp_path, "-c", ROOT.replace("await runtime.wait()", "pass"), f"b={doing}") as root:
        said = root.communicate(timeout=50)[0]
        assert root.returncode == 0, said
        gone_after(2)
