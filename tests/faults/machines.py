"""Machines that share nothing but a network: namespaces of this one, and what runs in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

__all__ = ["Machine", "Network", "machines", "missing"]

ROOT = Path(__file__).parents[2]
_NET = "10.99.0."
_PATIENCE = 60.0


def missing() -> str:
    """Why there can be no machines here; empty if there can be."""
    if sys.platform != "linux" or not shutil.which("ip"):
        return "machines are network namespaces: it takes Linux with iproute2"
    if os.geteuid():
        return "it takes root to make network namespaces"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "the network between machines takes /dev/net/tun"
    probe = f"civitas-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode:
        return "this container may make no network namespaces"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return ""


class Machine:
    """One machine.

    Args:
        name: Of it.
        address: Where others reach it.
        folder: Its disk: the home and the state folder of whatever runs there.
    """

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        self.namespace = f"civitas-{os.getpid()}-{name}"
        self.running: list[subprocess.Popen[bytes]] = []
        folder.mkdir(exist_ok=True)

    def run(self, *command: str, log: str = "log") -> subprocess.Popen[bytes]:
        """Run a command there, in a session of its own; what it writes stands in a file of the machine's folder."""
        home = str(self.folder)
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": home, "HOME": home},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.running.append(process)
        return process

    def civitas(self, *arguments: str, topology: dict[str, Any]) -> subprocess.Popen[bytes]:
        """`civitas run`, with a copy of the topology."""
        (self.folder / "topology.yaml").write_text(json.dumps(topology))
        return self.run(sys.executable, "-m", "civitas.cli", "run", "topology.yaml", *arguments)

    def vanish(self) -> None:
        """End everything there without a word, workers included, as a loss of power does."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False
        )
        for pid in map(int, found.stdout.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.running:
            process.wait()
        self.running.clear()

    def says(self, words: str, log: str = "log") -> None:
        """Wait until this stands in its log."""
        deadline = time.monotonic() + _PATIENCE
        file = self.folder / log
        while not file.exists() or words not in file.read_text():
            assert time.monotonic() < deadline, file.read_text() if file.exists() else "no log"
            time.sleep(0.02)


class Network:
    """What lies between the machines.

    Args:
        machines: They.
    """

    def __init__(self, machines: Iterable[Machine]) -> None:
        self.machines = {each.name: each for each in machines}
        places = [f"{each.namespace}={each.address}" for each in self.machines.values()]
        self._air = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.air", *places],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._air.stdout is not None
        assert self._air.stdout.readline() == b"ready\n"

    def cut(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Let nothing pass between these machines and those any more."""
        address = {name: each.address for name, each in self.machines.items()}
        self._tell(cut=[[address[one], address[other]] for one, other in product(some, others)])

    def heal(self) -> None:
        """Let everything pass again, at once and without loss."""
        self._tell(cut=[], loss=0.0, delay=0.0)

    def weather(self, *, loss: float, delay: float) -> None:
        """Lose this share of all packets, and delay the rest for so many seconds."""
        self._tell(loss=loss, delay=delay)

    def _tell(self, **command: Any) -> None:
        assert self._air.stdin is not None
        self._air.stdin.write(json.dumps(command).encode() + b"\n")
        self._air.stdin.flush()

    def close(self) -> None:
        """End it."""
        assert self._air.stdin is not None
        assert self._air.stdout is not None
        self._air.stdin.close()
        self._air.stdout.close()
        self._air.wait(_PATIENCE)


@contextmanager
def machines(folder: Path, *names: str) -> Iterator[Network]:
    """Machines of these names, that reach each other."""
    made = [Machine(name, f"{_NET}{n}", folder / name) for n, name in enumerate(names, 1)]
    there: list[Machine] = []
    network: Network | None = None
    try:
        for each in made:
            subprocess.run(["ip", "netns", "add", each.namespace], check=True)
            there.append(each)
        network = Network(made)
        yield network
    finally:
        for each in there:
            each.vanish()
        if network is not None:
            network.close()
        for each in there:
            subprocess.run(["ip", "netns", "del", each.namespace], check=True)
