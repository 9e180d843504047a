"""New versions take over in succession while the NATS server that keeps everything is killed, alone or with others."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from civitas.cli.reaching import running_system
from tests.fire.harness import CAST, SETTLE, SURE, Fire, system
from tests.nats_server import NatsServer

__all__ = ["FAULTS", "run"]

ROOT = Path(__file__).parents[2]
NODE_TIMEOUT = 6.0
FAULTS = ("none", "restart", "away", "long", "old root", "new root", "worker")
"""What happens while a version takes over; the server is killed in each but the first.

It is back at once, but in `away` and `long`: there it is away for less, and for longer, than the node timeout.
"""
_PATHS = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
_AWAY = {"away": 3.0, "long": NODE_TIMEOUT + 3}
_PATIENCE = 60.0
"""Seconds for a new version to be ready."""
_CLERKS = ("clerk", "near-clerk", "far-clerk")
_ASKED = ("home", "near", "far", "copies", "talkers", "talkers", "talkers", *_CLERKS)


def topology(folder: Path, url: str) -> dict[str, Any]:
    """Agents of each delivery in the root, in processes that it starts, and in one that is started elsewhere."""
    rolled = "tests.fire.rolled"
    sure: dict[str, Any] = {**SURE, "args": {"ledger": str(folder)}}

    def child(name: str, type: str, process: str = "", **keywords: Any) -> dict[str, Any]:
        placed = {"process": process} if process else {}
        return {"agent": {"name": name, "type": type, **placed, **sure, **keywords}}

    def clerks(name: str, process: str = "") -> dict[str, Any]:
        placed = {"process": process} if process else {}
        pool = {"name": name, "type": f"{rolled}.Clerk", **sure, "delivery": "durable", **placed}
        return {"conversation_pool": pool}

    def pump(name: str, process: str = "") -> dict[str, Any]:
        clerks = [f"{clerk}/{name}-{n}" for clerk in _CLERKS for n in range(3)]
        to = ["home", "near", "far", "copies", *clerks]
        args = {"ledger": str(folder), "to": to}
        return child(name, f"{rolled}.Pump", process, delivery="at_most_once", args=args)

    return system(
        child("home", f"{CAST}.Sink"),
        child("near", f"{CAST}.Sink", "near"),
        child("far", f"{CAST}.Sink", "far"),
        child("copies", f"{CAST}.Sink", "copies", replicas=2),
        {"conversation_pool": {"name": "talkers", "type": f"{CAST}.Sink", **sure}},
        clerks("clerk"),
        clerks("near-clerk", "near"),
        clerks("far-clerk", "far"),
        pump("pump"),
        pump("near-pump", "near"),
        pump("far-pump", "far"),
        name="rolled",
        transport={"type": "nats", "servers": [url]},
        state={"type": "nats_kv", "bucket": "state"},
        processes={"far": {"start": False, "start_timeout": 60}},
        runtime={"node_timeout": NODE_TIMEOUT, "drain_timeout": 30},
    )


class Versions:
    """The programs of a system.

    Args:
        folder: Of everything.
        server: What they meet at.
    """

    def __init__(self, folder: Path, server: NatsServer) -> None:
        self.folder = folder
        self.server = server
        self.all: list[subprocess.Popen[bytes]] = []
        self.topology = folder / "topology.yaml"
        self.topology.write_text(json.dumps(topology(folder, server.url)))
        self._logs = itertools.count()

    def start(self, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a program; returns it and what it prints."""
        log = self.folder / f"log{next(self._logs)}"
        with log.open("wb") as out:
            program = subprocess.Popen(
                [sys.executable, "-m", "civitas.cli", "run", str(self.topology), *arguments],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_PATHS])},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.all.append(program)
        return program, log

    def log(self, program: subprocess.Popen[bytes]) -> Path:
        """What a program prints."""
        return self.folder / f"log{self.all.index(program)}"

    async def says(self, words: str, log: Path, within: float = _PATIENCE) -> None:
        """Wait until a program has said so."""
        deadline = time.monotonic() + within
        while not re.search(f" ({words})", _read(log)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{log.name} does not say {words!r}: {_read(log)[-2000:]}")
            await asyncio.sleep(0.02)

    async def ended(self, program: subprocess.Popen[bytes], within: float = _PATIENCE) -> bool:
        """Whether it ends."""
        deadline = time.monotonic() + within
        while program.poll() is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def close(self) -> None:
        """End them."""
        for program in self.all:
            if program.poll() is None:
                program.kill()
                program.wait()


def _read(log: Path) -> str:
    return log.read_text()


@asynccontextmanager
async def _served(fire: Fire) -> AsyncIterator[Versions]:
    folder = fire.folder / "nats"
    folder.mkdir()
    server = NatsServer(folder, f'jetstream: {{store_dir: "{folder}/js"}}').start()
    versions = Versions(fire.folder, server)
    try:
        yield versions
    finally:
        versions.close()
        server.close()


async def run(fire: Fire) -> None:
    """Roll, with one fault each time, then wait for what was accepted."""
    done: list[str] = []
    fire.ledger.server_dies = True
    async with _served(fire) as versions:
        os.environ["XDG_STATE_HOME"] = str(fire.folder)  # so that askers find it as on its machine
        versions.start("--process", "far")
        root, log = versions.start()
        await versions.says("ready ", log)
        asking = Asking(fire, versions.topology)
        fire.begin()
        async with asyncio.TaskGroup() as group:
            asked = [(to, f"{n}-{k}") for k, to in enumerate(_ASKED) for n in range(3)]
            tasks = [group.create_task(asking.ask_on(*who)) for who in asked]
            while fire.burns or not done:
                for fault in fire.random.sample(FAULTS, len(FAULTS)):
                    if done and not fire.burns:
                        break
                    asking.fault = fault
                    root = await _roll(fire, versions, root, fault)
                    done.append(fault)
                    await asyncio.sleep(fire.random.uniform(0, 2))
            asking.over = True
            (fire.folder / "stop").touch()
            await asyncio.wait(tasks)
        await fire.settled()
        root.terminate()
        if not await versions.ended(root):
            fire.fault("the last version did not end")
    _steps(fire)
    fire.row.notes = f"{len(done)} versions; " + ", ".join(done)


async def _roll(
    fire: Fire, versions: Versions, root: subprocess.Popen[bytes], fault: str
) -> subprocess.Popen[bytes]:
    was_again = _read(versions.log(root)).count(" again ")
    new, log = versions.start("--takeover")
    if fault != "none":
        await versions.says("waiting |ready ", log)
        await asyncio.sleep(fire.random.uniform(0, 0.6))
        new = await _break(fire, versions, root, new, fault)
    if not await _leads(versions, root, new, was_again):
        return root
    if not await versions.ended(root):
        fire.fault(f"the version before {versions.log(new).name} did not end ({fault})")
        root.kill()
    return new


async def _leads(
    versions: Versions,
    root: subprocess.Popen[bytes],
    new: subprocess.Popen[bytes],
    was_again: int,
) -> bool:
    """Wait until the new version leads; False if it could not start, and the one before it leads again."""
    deadline = time.monotonic() + _PATIENCE
    while " ready " not in (said := _read(versions.log(new))):
        again = new.poll() is not None and _read(versions.log(root)).count(" again ") > was_again
        if again or time.monotonic() > deadline:
            assert again, f"{versions.log(new).name} does not lead: {said[-2000:]}"
            return False
        await asyncio.sleep(0.02)
    return True


async def _break(
    fire: Fire,
    versions: Versions,
    root: subprocess.Popen[bytes],
    new: subprocess.Popen[bytes],
    fault: str,
) -> subprocess.Popen[bytes]:
    """Kill the server, and whoever else is to be; returns the program that is to lead then."""
    found = _workers(root.pid)  # without one of its own, the new version would end
    versions.server.kill()
    if fault == "old root":
        root.kill()
    if fault == "new root":
        new.kill()
    if fault == "worker" and found:
        with suppress(ProcessLookupError):
            os.kill(fire.random.choice(found), signal.SIGKILL)
    await asyncio.sleep(_AWAY.get(fault, 0.0))
    versions.server.start()
    if fault == "new root":
        new, _ = versions.start("--takeover")
    return new


def _workers(root: int) -> list[int]:
    """The processes that a root has started; none if it has ended."""
    children = Path(f"/proc/{root}/task/{root}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


class Asking:
    """Asks from outside, as `civitas ask` does.

    Args:
        fire: The run.
        topology: Of the system.
    """

    def __init__(self, fire: Fire, topology: Path) -> None:
        self.fault = "none"
        self.over = False
        self._fire = fire
        self._topology = topology

    async def ask_on(self, to: str, number: str) -> None:
        """Ask an agent, or in a conversation of a pool, one after the other."""
        fire, sender = self._fire, f"out-{to}-{number}"
        for n in itertools.count():
            if self.over:
                return
            payload, began, before = fire.message(sender, n), time.monotonic(), self.fault
            try:
                async with running_system(self._topology) as found:
                    reply = await found.request(
                        "ask", to=to, payload=payload, conversation=sender, timeout=SETTLE
                    )
            except Exception as error:
                when = f"{before}, {self.fault}, after {time.monotonic() - began:.1f} s"
                said = f"an ask of {to} got no answer ({when}): {payload['token']} {error!r}"
                fire.ledger.failed(said)
                if not _is_told({before, self.fault}, error):
                    fire.row.unanswered += 1
                    fire.fault(said[:300])
            else:
                fire.ledger.accepted(payload["token"])
                if reply["payload"] != n:
                    fire.fault(f"the answer of {to} to {n} was {reply!r}")
            await asyncio.sleep(0.05)


def _is_told(faults: set[str], error: Exception) -> bool:
    """Whether an ask may end without an answer, by what docs/guides/deploy.md says."""
    return bool(faults & {"old root", "new root", "long"}) and "will not answer" in str(error)


def _steps(fire: Fire) -> None:
    """A step whose result was recorded is never done again."""
    recorded: set[str] = set()
    twice: list[str] = []
    for how, what, incarnation, _ in fire.ledger.lines("moments"):
        if how == "recorded":
            recorded.add(what)
        elif what in recorded:
            twice.append(f"{what} by {incarnation}")
    if twice:
        fire.row.doubled += len(twice)
        fire.fault(f"finished steps were done again: {', '.join(twice[:5])}")
    for log in sorted(fire.folder.glob("log*")):
        for found in re.findall(r"Traceback.*?\n(?=\S)[^\n]*", log.read_text(), re.DOTALL)[:3]:
            fire.fault(f"{log.name}: {found[-300:]}")
