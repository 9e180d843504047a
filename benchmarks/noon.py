"""Deploys at noon: new versions take over one after another, while durable runs are under way.

    python -m benchmarks.noon [--rolls 50] [--runs 50] [--processes 2] [--nats]

Fifty askers ask a durable agent again and again, each over a connection of its own; each run is twenty steps of 50 ms.
First without any roll, then while `civitas run --takeover` replaces the program again and again. With `--processes`,
so many OS processes have such an agent each, and the root has none. Printed are the asks that failed, the steps that
were done twice, and how much longer an ask took.

With `--nats`, the system is on a NATS server: the root has such an agent, a process that it starts, and one that is
started by hand. A roll is a new root, by `--takeover` and by SIGTERM to the one that leads in turn, and a new process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from civitas.control import ControlClient, state_folder
from tests.nats_server import NatsServer

TEAM = """
import asyncio
from pathlib import Path

from civitas import AgentProcess

CALLS = open(Path(__file__).with_name("calls"), "a", buffering=1)


class Walker(AgentProcess):
    async def handle(self, message):
        for n in range(20):
            await self.step(str(n), self.walk, message.id, n)
        return self.reply("done")

    async def walk(self, run, n):
        CALLS.write(f"{run} {n}\\n")
        await asyncio.sleep(0.05)
"""
ON_NATS = """
name: noon
transport: {{type: nats, servers: ["{url}"]}}
state: {{type: nats_kv, bucket: state}}
processes: {{far: {{start: false, start_timeout: 60}}}}
supervision:
  children:
"""
PLACES = {"walker0": "", "walker1": ", process: near", "walker2": ", process: far"}
TOPOLOGY = """
name: noon
state: {type: sqlite, path: state.db}
supervision:
  children:
"""
AGENT = "    - conversation_pool: {{name: {name}, type: team.Walker, delivery: durable{place}}}\n"


class Asking:
    """Asks again and again, and notes how long each ask took."""

    def __init__(self, topology: Path, agents: Sequence[str]) -> None:
        self.topology = topology
        self.agents = agents
        self.took: list[float] = []
        self.failed: list[str] = []
        self.over = False

    async def go_on(self, who: int) -> None:
        """Ask until it is over, in a conversation of one's own."""
        to = self.agents[who % len(self.agents)]
        while not self.over:
            began = time.monotonic()
            try:
                async with ControlClient("noon", state_folder("noon", self.topology)) as client:
                    await client.request(
                        "ask", to=to, payload={}, conversation=str(who), timeout=60
                    )
            except Exception as error:
                self.failed.append(repr(error))
            self.took.append(time.monotonic() - began)


class Program:
    """A `civitas run`. It writes to a file, as its processes may outlive it and keep a pipe open."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def says(self, word: str) -> None:
        """Wait until it has said this."""
        while f" {word} " not in self._log.read_text():
            if self._process.returncode is not None:
                sys.exit(f"the program never said {word!r}:\n{self._log.read_text()}")
            await asyncio.sleep(0.02)

    async def ends(self) -> None:
        """Wait until it has ended, as it should."""
        if code := await self._process.wait():
            sys.exit(f"the program ended with exit code {code}:\n{self._log.read_text()}")

    async def stop(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGTERM)
        await self.ends()


async def start(topology: Path, *options: str, until: str = "ready") -> Program:
    place = topology.parent / "logs"
    place.mkdir(exist_ok=True)
    log = place / str(len(list(place.iterdir())))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "civitas.cli", "run", str(topology), *options),
            stdout=output,
            stderr=output,
        )
    program = Program(process, log)
    if until:
        await program.says(until)
    return program


class OnOneMachine:
    """A system that is rolled by `--takeover`."""

    def __init__(self, topology: Path, processes: int) -> None:
        self.places = {f"walker{n}": f", process: w{n}" for n in range(processes)} or {"walker": ""}
        self.head = TOPOLOGY
        self._topology = topology

    async def begin(self) -> None:
        """Start it."""
        self._root = await start(self._topology)

    async def roll(self, number: int) -> None:
        """Let new versions take over."""
        before, self._root = self._root, await start(self._topology, "--takeover")
        await before.ends()

    async def end(self) -> None:
        """Stop it."""
        await self._root.stop()


class OnNats:
    """A system on a NATS server, whose root and whose process that is started by hand are rolled in turn."""

    def __init__(self, topology: Path) -> None:
        folder = topology.parent / "nats"
        folder.mkdir()
        store = json.dumps(str(folder / "js"))
        self._server = NatsServer(folder, f"jetstream {{store_dir: {store}}}").start()
        self.places = PLACES
        self.head = ON_NATS.format(url=self._server.url)
        self._topology = topology

    async def begin(self) -> None:
        """Start it."""
        self._far = await start(self._topology, "--process", "far", until="")
        self._root = await start(self._topology)

    async def roll(self, number: int) -> None:
        """Let new versions take over."""
        before = self._root
        if number % 2:
            self._root = await start(self._topology, until="waiting")
            await before.stop()
        else:
            self._root = await start(self._topology, "--takeover")
            await before.ends()
        await self._root.says("ready")
        before = self._far
        self._far = await start(self._topology, "--process", "far", "--standby", until="standby")
        await before.stop()
        await self._far.says("joined")

    async def end(self) -> None:
        """Stop it."""
        await self._root.stop()
        await self._far.stop()
        self._server.close()


async def measure(folder: Path, rolls: int, runs: int, processes: int, nats: bool) -> None:
    topology = folder / "topology.yaml"
    system = OnNats(topology) if nats else OnOneMachine(topology, processes)
    places = system.places
    agents = (AGENT.format(name=name, place=place) for name, place in places.items())
    topology.write_text(system.head + "".join(agents))
    (folder / "team.py").write_text(TEAM)
    os.environ["XDG_STATE_HOME"] = str(folder)
    await system.begin()
    quiet, busy = Asking(topology, list(places)), Asking(topology, list(places))
    for asking in (quiet, busy):
        askers = [asyncio.create_task(asking.go_on(n)) for n in range(runs)]
        if asking is quiet:
            await asyncio.sleep(15)
        else:
            began = time.monotonic()
            for number in range(rolls):
                await system.roll(number)
            print(f"{rolls} rolls in {time.monotonic() - began:.0f} s")
        asking.over = True
        await asyncio.gather(*askers)
    await system.end()
    calls = Counter((folder / "calls").read_text().splitlines())
    for name, asking in (("without rolls", quiet), ("under rolls", busy)):
        cuts = statistics.quantiles(asking.took, n=100)
        print(
            f"{name}: {len(asking.took)} asks, {len(asking.failed)} failed; "
            f"median {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, longest {max(asking.took):.2f} s"
        )
    added = statistics.quantiles(busy.took, n=100)[98] - statistics.quantiles(quiet.took, n=100)[98]
    twice = sum(count > 1 for count in calls.values())
    print(f"{len(calls)} steps, {twice} done twice; p99 is {added:.2f} s longer under rolls")
    for text, count in Counter(busy.failed).most_common(5):
        print(f"  {count} x {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rolls", type=int, default=50)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--nats", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), given.rolls, given.runs, given.processes, given.nats))


if __name__ == "__main__":
    main()
