"""NATS servers that are killed, restarted, or shared, under load."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.machines import Network, machines
from tests.faults.system import Burning, kill, leader_of, over_nats, serve_kept, workers

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture
def three(namespaces: None, tmp_path: Path) -> Iterator[Network]:
    with machines(tmp_path, "server", "here", "there") as network:
        yield network


@pytest.fixture
def cluster(namespaces: None, tmp_path: Path) -> Iterator[Network]:
    """Three servers of one cluster on machines of their own."""
    with machines(tmp_path, "one", "two", "three", "here", "there") as network:
        servers = [network.machines[name] for name in ("one", "two", "three")]
        routes = ", ".join(f"nats://{each.address}:6222" for each in servers)
        for each in servers:
            serve_kept(
                each,
                f"server_name: {each.name}\n"
                f"cluster: {{name: c, listen: {each.address}:6222, routes: [{routes}]}}",
            )
        yield network


@pytest.mark.promise(id="SEM-1555")
def test_a_server_that_is_killed_and_started_with_its_store_again_and_again_loses_nothing(
    three: Network, tmp_path: Path
) -> None:
    server = three.machines["server"]
    running = serve_kept(server)
    config = over_nats(tmp_path / "ledger", server)
    load = Burning(three.machines["here"], config, 17)
    three.machines["there"].civitas("--process", "far", topology=config)
    load.burns()
    for _ in range(5):
        time.sleep(2)
        running.kill()
        running.wait()
        time.sleep(1)
        running = serve_kept(server)
    assert load.ended()["events"] == {}


@pytest.mark.promise(id="SEM-1555")
def test_another_server_of_the_cluster_takes_over_when_the_one_that_leads_is_killed(
    cluster: Network, tmp_path: Path
) -> None:
    servers = [cluster.machines[name] for name in ("one", "two", "three")]
    here = cluster.machines["here"]
    # The servers take 4 to 7 s to agree on another leader, and store nothing meanwhile.
    config = over_nats(
        tmp_path / "ledger", *servers, stream={"replicas": 3}, runtime={"node_timeout": 15}
    )
    load = Burning(here, config, 20)
    cluster.machines["there"].civitas("--process", "far", topology=config)
    load.burns()
    time.sleep(2)
    cluster.machines[leader_of(here, servers)].vanish()
    assert load.ended()["events"].get("node_down", 0) == 0


@pytest.mark.promise(id="SEM-1555")
def test_two_systems_on_one_server_never_meet_whatever_befalls_them(
    three: Network, tmp_path: Path
) -> None:
    server, here, there = (three.machines[name] for name in ("server", "here", "there"))
    serve_kept(server)
    loads = []
    for machine, other, name in ((here, there, "one"), (there, here, "two")):
        config = over_nats(tmp_path / f"ledger-{name}", server, name=name)
        loads.append(Burning(machine, config, 15))
        other.civitas("--process", "far", topology=config)
    for load in loads:
        load.burns()
    for pid in workers(loads[0].process.pid):
        kill(pid)
    assert loads[0].ended()["events"]["node_down"] == 1
    assert loads[1].ended()["events"] == {}


@pytest.mark.promise(id="SEM-1556")
@pytest.mark.parametrize("kept", [True, False], ids=["JetStream", "core NATS"])
def test_kills_at_random_lose_nothing(three: Network, tmp_path: Path, kept: bool) -> None:
    chance = random.Random(1)
    server, there = three.machines["server"], three.machines["there"]
    running = serve_kept(server)
    keys = {} if kept else {"jetstream": False}
    config = over_nats(tmp_path / "ledger", server, **keys)
    load = Burning(three.machines["here"], config, 60)
    there.civitas("--process", "far", topology=config)
    load.burns()
    kills = 0
    while kills < 50 and load.process.poll() is None:
        # A process may be killed while it starts, but now and then it must come up.
        time.sleep(chance.uniform(0.1, 1.0) if kills % 8 else 5.0)
        how = chance.choice(["near", "far", "server", "far and server"])
        if how == "near":
            for pid in workers(load.process.pid):
                kill(pid)
        if "server" in how:
            running.kill()
            running.wait()
        if "far" in how:
            there.vanish()
        if "server" in how:
            running = serve_kept(server)
        if "far" in how:
            there.civitas("--process", "far", topology=config)
        kills += 1
    load.ended()
    assert kills > 25
