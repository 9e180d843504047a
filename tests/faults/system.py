"""A system on three machines: its root, one that it starts a worker beside, and one that is started elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.machines import Machine
from tests.fire.harness import SURE
from tests.fire.ledger import Ledger

__all__ = [
    "NODE_TIMEOUT",
    "Burning",
    "kill",
    "leader_of",
    "over_nats",
    "serve",
    "serve_kept",
    "workers",
]

NODE_TIMEOUT = 4.0
"""Seconds."""
_CAST = "tests.faults.cast"


def over_nats(folder: Path, *servers: Machine | str, **keys: Any) -> dict[str, Any]:
    """The topology: `home` in the root, `near` beside it, and `far` on another machine.

    Args:
        folder: Of the ledger; all machines share it, as only the tests look at it.
        *servers: The machines that the servers run on, or their URLs.
        **keys: Of the transport, but `runtime` and `name`.
    """
    urls = [each if isinstance(each, str) else f"nats://{each.address}:4222" for each in servers]
    runtime = {"node_timeout": NODE_TIMEOUT, "drain_timeout": 20, **keys.pop("runtime", {})}

    def agent(name: str, type: str, process: str | None = None) -> dict[str, Any]:
        sure = {} if type == "Ticker" else SURE
        entry = {"name": name, "type": f"{_CAST}.{type}", "ledger": str(folder), **sure}
        return {"agent": entry if process is None else {**entry, "process": process}}

    return {
        "name": keys.pop("name", "faults"),
        "transport": {"type": "nats", "servers": urls, **keys},
        "runtime": runtime,
        "processes": {"far": {"start": False, "start_timeout": 30}},
        "supervision": {
            "name": "root",
            "backoff": "none",
            "max_restarts": 1_000_000,
            "children": [
                agent("home", "Sink"),
                agent("near", "Sink", "near"),
                agent("near-relay", "Relay", "near"),
                agent("far", "Sink", "far"),
                agent("far-relay", "Relay", "far"),
                agent("far-ticker", "Ticker", "far"),
            ],
        },
    }


def serve(machine: Machine, config: str = "") -> subprocess.Popen[bytes]:
    """A NATS server on a machine."""
    (machine.folder / "nats.conf").write_text(f"listen: {machine.address}:4222\n{config}\n")
    server = str(Path(sys.executable).with_name("nats-server"))
    process = machine.run(server, "-c", "nats.conf", log="nats.log")
    machine.says("Server is ready", log="nats.log")
    return process


def workers(root: int) -> list[int]:
    """The processes that a root has started; none if it has ended."""
    children = Path(f"/proc/{root}/task/{root}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


def kill(pid: int) -> None:
    """Kill a process, which may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


_WHO_LEADS = """
import asyncio, sys
import nats

async def main():
    client = await nats.connect(sys.argv[1:])
    streams = await client.jetstream().streams_info()
    print(max((each.config.num_replicas, each.cluster.leader) for each in streams)[1])
    await client.close()

asyncio.run(main())
"""


def leader_of(machine: Machine, servers: Sequence[Machine]) -> str:
    """The server of a cluster that leads the stream with most replicas, as a machine sees it."""
    urls = [f"nats://{each.address}:4222" for each in servers]
    inside = ("ip", "netns", "exec", machine.namespace, sys.executable, "-c", _WHO_LEADS)
    done = subprocess.run([*inside, *urls], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def serve_kept(machine: Machine, config: str = "") -> subprocess.Popen[bytes]:
    """One with JetStream, whose store outlives it."""
    return serve(machine, f'jetstream: {{store_dir: "{machine.folder}/js"}}\n{config}')


class Burning:
    """A root with load.

    Args:
        machine: Where it runs.
        config: Its topology.
        seconds: How long there is load.
    """

    def __init__(self, machine: Machine, config: dict[str, Any], seconds: float) -> None:
        self._machine = machine
        ledger = config["supervision"]["children"][0]["agent"]["ledger"]
        self._ledger = Ledger(ledger)
        file = Path(ledger) / "root.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(config))
        command = (sys.executable, "-m", "tests.faults.rooted", str(file), str(seconds), "1")
        self.process = machine.run(*command, log="root.log")

    def burns(self) -> None:
        """Wait until everybody is there and the load has begun."""
        self._machine.says("burns", log="root.log")

    def _wrong(self, row: dict[str, Any]) -> list[str]:
        """What may not be.

        What was handled where it could not be told any more is handled again. And what its sender was never told to be
        accepted, as it was cut off, may still arrive, behind what the next incarnation sent.
        """
        accepted = {token for (token,) in self._ledger.lines("accepted")}
        wrong = [each for each in row["faults"] if not each.startswith(("doubled", "disorder"))]
        late = [each for each in self._ledger.count().disorder if each.split()[0] in accepted]
        return wrong + late

    def ended(self) -> dict[str, Any]:
        """Wait for the end, and return what came of it; fails where something was lost, or worse."""
        self.process.wait()
        said = (self._machine.folder / "root.log").read_text()
        row: dict[str, Any] = json.loads(said.splitlines()[-1])
        assert self._wrong(row) == [], said
        assert row["overlaps"] == [], said
        assert row["accepted"] > 100
        return row
