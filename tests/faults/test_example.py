"""The example `three-machines`, on three machines."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.machines import ROOT, Machine, machines
from tests.faults.system import serve_kept

pytestmark = pytest.mark.usefixtures("namespaces")
TOPOLOGY = str(ROOT / "examples" / "three-machines" / "topology.yaml")
LOAVES = 100


def run(machine: Machine, *arguments: str) -> subprocess.Popen[bytes]:
    return machine.run(sys.executable, "-m", "civitas.cli", "run", TOPOLOGY, *arguments)


def told(machine: Machine, words: str, *arguments: str) -> tuple[bool, str]:
    """Whether a command of Civitas succeeds on a machine, and what it says."""
    log = f"answer-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "civitas.cli", *words.split(), TOPOLOGY, *arguments]
    process = machine.run(*command, log=log)
    process.wait(60)
    machine.running.remove(process)
    return process.returncode == 0, (machine.folder / log).read_text()


def order(machine: Machine, loaves: int) -> None:
    done, answer = told(machine, "ask", "desk", json.dumps({"loaves": loaves}))
    assert done, answer
    assert json.loads(answer) == {"accepted": loaves}


def baked(machine: Machine, number: int) -> list[int]:
    """What stands in the state of the oven, once it is this much."""
    deadline = time.monotonic() + 60
    while True:
        done, answer = told(machine, "state show", "oven")
        found: list[int] = json.loads(answer)["baked"] if done else []
        if len(found) >= number:
            return sorted(found)
        assert time.monotonic() < deadline, answer


def test_the_bakery_bakes_each_loaf_once_though_its_kitchen_and_its_root_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with machines(tmp_path, "server", "root", "kitchen") as network:
        server, root, kitchen = network.machines.values()
        serve_kept(server)
        monkeypatch.setenv("NATS_URL", f"nats://{server.address}:4222")
        monkeypatch.setenv("BAKERY_SECRET", "told to nobody")
        run(root)
        run(kitchen, "--process", "kitchen")
        root.says("ready")
        order(root, LOAVES)
        assert len(baked(root, 1)) < LOAVES
        kitchen.vanish()
        run(kitchen, "--process", "kitchen")
        assert baked(root, LOAVES) == list(range(LOAVES))
        run(kitchen)
        kitchen.says("leads the system")
        root.vanish()
        order(kitchen, LOAVES + 2)
        assert baked(kitchen, LOAVES + 2) == list(range(LOAVES + 2))
