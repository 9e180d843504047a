"""Machines that are cut off, vanish, or have a bad network between them; the NATS server is on a machine of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.machines import Network, machines
from tests.faults.system import NODE_TIMEOUT, Burning, over_nats, serve_kept
from tests.fire.ledger import Ledger

pytestmark = pytest.mark.usefixtures("namespaces")


@pytest.fixture
def three(namespaces: None, tmp_path: Path) -> Iterator[Network]:
    """`server` has a NATS server, `here` is for the root, and `there` for a process that is started elsewhere."""
    with machines(tmp_path, "server", "here", "there") as network:
        serve_kept(network.machines["server"])
        yield network


def burning(network: Network, tmp_path: Path, seconds: float, **keys: Any) -> Burning:
    config = over_nats(tmp_path / "ledger", network.machines["server"], **keys)
    load = Burning(network.machines["here"], config, seconds)
    network.machines["there"].civitas("--process", "far", topology=config)
    load.burns()
    return load


@pytest.mark.promise(id="SEM-1553")
@pytest.mark.parametrize("kept", [True, False], ids=["JetStream", "core NATS"])
def test_a_bad_network_is_nobodys_death(three: Network, tmp_path: Path, kept: bool) -> None:
    load = burning(three, tmp_path, 13, **{} if kept else {"jetstream": False})
    three.weather(loss=0.05, delay=0.05)
    time.sleep(11)
    three.heal()
    assert load.ended()["events"] == {}


@pytest.mark.promise(id="SEM-1554")
@pytest.mark.promise(id="SEM-1492")
@pytest.mark.promise(id="SEM-1497")
@pytest.mark.parametrize("what", ["stop", "keep"])
def test_a_machine_that_is_cut_off_for_20_s_is_back_with_everything(
    three: Network, tmp_path: Path, what: str
) -> None:
    load = burning(three, tmp_path, 27, on_partition=what)
    time.sleep(2)
    three.cut(["there"], ["here", "server"])
    cut = time.monotonic()
    time.sleep(20)
    healed = time.monotonic()
    three.heal()
    events = load.ended()["events"]
    assert events["node_down"] == 1
    assert events["restarted"] == 3
    moments = [
        float(each[3])
        for each in Ledger(tmp_path / "ledger").lines("moments")
        if each[1] == "far-ticker"
    ]
    cut_off = [moment for moment in moments if cut + NODE_TIMEOUT < moment < healed]
    assert bool(cut_off) == (what == "keep")
    assert max(moments) > healed + 1


@pytest.mark.promise(id="SEM-1554")
def test_a_machine_that_vanishes_and_returns_is_back_with_everything(
    three: Network, tmp_path: Path
) -> None:
    load = burning(three, tmp_path, 15)
    time.sleep(2)
    there = three.machines["there"]
    three.cut(["there"], ["here", "server"])  # not even its kernel says goodbye
    there.vanish()
    time.sleep(8)
    three.heal()
    there.civitas(
        "--process", "far", topology=over_nats(tmp_path / "ledger", three.machines["server"])
    )
    assert load.ended()["events"]["node_down"] == 1
