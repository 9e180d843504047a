"""Roots, workers and the NATS server that are killed at random, while an agent elsewhere sends and asks."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cast import overlaps
from tests.faults.machines import Machine, Network, machines
from tests.faults.system import kill, over_nats, serve_kept, workers
from tests.fire.ledger import Ledger

pytestmark = pytest.mark.usefixtures("namespaces")

KILLS = 40
_SETTLE = 60.0


@pytest.fixture
def four(namespaces: None, tmp_path: Path) -> Iterator[Network]:
    """`server`, two machines for roots, and `there`, whose process is started elsewhere."""
    with machines(tmp_path, "server", "one", "two", "there") as network:
        yield network


def pumping(folder: Path, server: Machine) -> dict[str, Any]:
    """The topology: `home` in the root, `near` in a worker, and `pump` elsewhere, which sends to both."""
    folder.mkdir()
    config = over_nats(folder, server)
    children = config["supervision"]["children"]
    tickers = [
        {
            "agent": {
                "name": f"{at}-ticker",
                "type": "tests.faults.cast.Ticker",
                "ledger": str(folder),
            }
        }
        for at in ("home", "near")
    ]
    tickers[1]["agent"]["process"] = "near"
    pump = {"name": "pump", "type": "tests.faults.cast.Pump", "process": "far"}
    keywords = {"ledger": str(folder), "args": {"to": ["home", "near"]}}
    config["supervision"]["children"] = [
        *children[:2],
        *tickers,
        {"agent": {**pump, **keywords}},
    ]
    return config


def until(condition: Callable[[], Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.promise(id="SEM-1490")
@pytest.mark.promise(id="SEM-1498")
def test_a_leader_that_is_cut_off_for_20_s_and_its_workers_do_nothing_beside_those_of_the_next(
    four: Network, tmp_path: Path
) -> None:
    server, one, two = (four.machines[name] for name in ("server", "one", "two"))
    serve_kept(server)
    folder = tmp_path / "ledger"
    config, ledger = pumping(folder, server), Ledger(folder)
    four.machines["there"].civitas("--process", "far", topology=config)
    one.civitas(topology=config)
    one.says(" ready ")
    two.civitas(topology=config)
    two.says(" leads the system")
    assert until(lambda: any(ledger.lines("accepted")), 40), "nothing was ever accepted"
    time.sleep(2)
    four.cut(["one"], ["server", "two", "there"])
    two.says(" ready ")
    accepted = len(list(ledger.lines("accepted")))
    time.sleep(20)
    four.heal()
    assert len(list(ledger.lines("accepted"))) > accepted + 20  # it went on without that machine
    one.says(" deposed ")
    time.sleep(5)
    (folder / "stop").touch()
    until(ledger.is_settled, _SETTLE)
    count = ledger.count()
    logs = {host.name: (host.folder / "log").read_text()[-3000:] for host in (one, two)}
    assert (count.lost, count.disorder, list(ledger.lines("failed"))) == ([], [], []), logs
    assert overlaps(list(ledger.lines("moments"))) == [], logs


@pytest.mark.promise(id="SEM-1557")
def test_kills_of_roots_workers_and_the_server_at_random_lose_nothing(
    four: Network, tmp_path: Path
) -> None:
    chance = random.Random(1)
    server, there = four.machines["server"], four.machines["there"]
    hosts = [four.machines[name] for name in ("one", "two")]
    running = serve_kept(server)
    folder = tmp_path / "ledger"
    config, ledger = pumping(folder, server), Ledger(folder)
    roots: dict[Machine, subprocess.Popen[bytes]] = {
        host: host.civitas(topology=config) for host in hosts
    }
    there.civitas("--process", "far", topology=config)
    assert until(lambda: any(ledger.lines("accepted")), 40), "nothing was ever accepted"
    for number in range(KILLS):
        time.sleep(chance.uniform(0.2, 1.5) if number % 6 else 6.0)
        how = chance.choice(["worker", "root", "worker and root", "server", "server and root"])
        host = chance.choice(hosts)
        if "worker" in how:
            for pid in workers(roots[host].pid):
                kill(pid)
        if "root" in how:
            roots[host].kill()
            roots[host].wait()
        if "server" in how:
            running.kill()
            running.wait()
            running = serve_kept(server)
        if "root" in how:
            roots[host] = host.civitas(topology=config)
    (folder / "stop").touch()
    until(ledger.is_settled, _SETTLE)
    count = ledger.count()
    logs = {host.name: (host.folder / "log").read_text()[-3000:] for host in (*hosts, there)}
    assert count.accepted > 100
    assert (count.lost, count.disorder, list(ledger.lines("failed"))) == ([], [], []), logs
    assert overlaps(list(ledger.lines("moments"))) == []
