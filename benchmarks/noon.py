"""Deploys at noon: new versions take over one after another, while durable runs are under way.

    python benchmarks/noon.py [--rolls 50] [--runs 50] [--processes 2]

Fifty askers ask a durable agent again and again, each over a connection of its own; each run is twenty steps of 50 ms.
First without any roll, then while `civitas run --takeover` replaces the program again and again. With `--processes`,
so many OS processes have such an agent each, and the root has none. Printed are the asks that failed, the steps that
were done twice, and how much longer an ask took.
"""

from __future__ import annotations

import argparse
import asyncio
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


async def start(topology: Path, *options: str) -> asyncio.subprocess.Process:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "civitas.cli", "run", str(topology), *options),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    while b" ready " not in await program.stdout.readline():
        if program.returncode is not None:
            sys.exit(f"the program ended with exit code {program.returncode}")
    return program


async def measure(folder: Path, rolls: int, runs: int, processes: int) -> None:
    topology = folder / "topology.yaml"
    places = {f"walker{n}": f", process: w{n}" for n in range(processes)} or {"walker": ""}
    agents = (AGENT.format(name=name, place=place) for name, place in places.items())
    topology.write_text(TOPOLOGY + "".join(agents))
    (folder / "team.py").write_text(TEAM)
    os.environ["XDG_STATE_HOME"] = str(folder)
    program = await start(topology)
    quiet, busy = Asking(topology, list(places)), Asking(topology, list(places))
    for asking in (quiet, busy):
        askers = [asyncio.create_task(asking.go_on(n)) for n in range(runs)]
        if asking is quiet:
            await asyncio.sleep(15)
        else:
            began = time.monotonic()
            for _ in range(rolls):
                before, program = program, await start(topology, "--takeover")
                await before.communicate()
            print(f"{rolls} rolls in {time.monotonic() - began:.0f} s")
        asking.over = True
        await asyncio.gather(*askers)
    program.send_signal(signal.SIGTERM)
    await program.communicate()
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), given.rolls, given.runs, given.processes))


if __name__ == "__main__":
    main()
