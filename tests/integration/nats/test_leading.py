"""Several roots of one system on a real server: one leads, and the others wait and take over."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import nats
import pytest

from civitas import Runtime
from civitas.transport.election import OtherRoots
from tests.integration.nats.conftest import over_nats, traveller
from tests.integration.nats.roots import roots
from tests.integration.processes.system import lines, until
from tests.nats_server import NatsServer


@pytest.fixture(scope="module")
def jetstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    folder = tmp_path_factory.mktemp("jetstream")
    server = jetstream_in(folder)
    yield server
    server.close()


@pytest.mark.promise(id="SEM-1481")
@pytest.mark.promise(id="SEM-1482")
@pytest.mark.promise(id="SEM-1484")
@pytest.mark.promise(id="SEM-1485")
async def test_one_root_leads_and_another_takes_over_within_5_seconds_of_its_kill(
    jetstream: NatsServer, tmp_path: Path
):
    config = over_nats(jetstream, traveller("here"), traveller("there", "worker"), prefix="killed")
    async with roots(tmp_path, config) as (first, second):
        waiting = await second.says(r"waiting .* process (\d+) on \S+ leads the system")
        assert int(waiting[1]) == first.pid
        pid = await first.ask("there", type="pid")
        first.signal(signal.SIGKILL)
        killed = time.monotonic()
        await second.says(" ready ")
        assert time.monotonic() - killed < 5
        assert await second.ask("here", 2) == 2
        assert await second.ask("there", type="pid") == pid
        assert f"led by process {second.pid} on " in await second.civitas("top", "topology.yaml")


@pytest.mark.promise(id="SEM-1483")
@pytest.mark.promise(id="SEM-1491")
@pytest.mark.promise(id="SEM-1816")
async def test_a_leader_that_is_stopped_hands_over_at_once_and_a_root_that_waits_ends_with_0(
    jetstream: NatsServer, tmp_path: Path
):
    config = over_nats(jetstream, traveller("here"), traveller("there", "worker"), prefix="stopped")
    async with roots(tmp_path, config, 3) as (first, *others):
        pid = await first.ask("there", type="pid")
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        ended = time.monotonic()
        second, third = others
        while " ready " not in second.text():
            assert time.monotonic() - ended < 3
            await asyncio.sleep(0.02)
            if " ready " in third.text():
                second, third = third, second
        third.signal(signal.SIGTERM)
        assert await third.ended() == 0
        assert await second.ask("here", 1) == 1
        assert await second.ask("there", type="pid") == pid
        second.signal(signal.SIGTERM)
        assert await second.ended() == 0
        await until(lambda: has_ended(pid))  # and soon: nobody waits to take it over any more


@pytest.mark.promise(id="SEM-1490")
@pytest.mark.promise(id="SEM-1471")
async def test_a_leader_that_was_stopped_does_nothing_more_when_it_is_continued_and_waits(
    jetstream: NatsServer, tmp_path: Path
):
    ledger = tmp_path / "ledger"
    ticker = traveller("ticker", ledger=str(ledger))
    ticker["agent"]["type"] = "tests.integration.nats.cast:Ticker"
    by_threads = tmp_path / "by threads"
    blocker = traveller("blocker", ledger=str(by_threads), to="there", shutdown_timeout=0)
    blocker["agent"]["type"] = "tests.integration.nats.cast:Blocker"
    there = traveller("there", "worker")
    config = over_nats(jetstream, ticker, blocker, there, prefix="fenced")
    async with roots(tmp_path, config) as (first, second):
        pid = await first.ask("there", type="pid")
        first.signal(signal.SIGSTOP)
        await second.says(" ready ")
        ticks = len(lines(ledger))
        await until(lambda: len(lines(ledger)) > ticks + 10)
        first.signal(signal.SIGCONT)
        await first.says(f" deposed .*process {second.pid} on ")
        await first.says(rf"deposed[^§]* waiting .*process {second.pid} on ")
        ticks = len(lines(ledger))
        await until(lambda: len(lines(ledger)) > ticks + 10)
        assert await second.ask("there", "heard", type="print") == "heard"
        assert await second.ask("there", type="pid") == pid
        for each in (ledger, by_threads):
            told = [line.split()[1] for line in lines(each)]
            assert [who for who, _ in groupby(told)] == [str(first.pid), str(second.pid)]
    assert {line.split()[2] for line in lines(by_threads)} == {"step", "send"}


@pytest.mark.promise(id="SEM-1495")
async def test_a_server_that_is_away_for_longer_than_a_lease_lasts_changes_no_leader_and_restarts_nobody(
    tmp_path: Path,
):
    server = jetstream_in(tmp_path)
    ledger = tmp_path / "ledger"
    ticker = traveller("ticker", ledger=str(ledger))
    ticker["agent"]["type"] = "tests.integration.nats.cast:Ticker"
    there = traveller("there", "worker")
    config = over_nats(server, ticker, there, runtime={"node_timeout": 4})
    try:
        async with roots(tmp_path, config) as (first, second):
            pid = await first.ask("there", type="pid")
            server.kill()
            await until(lambda: is_quiet(ledger))  # what it leads is held up
            server.start()
            ticks = len(lines(ledger))
            await until(lambda: len(lines(ledger)) > ticks + 10)
            assert await first.ask("there", type="pid") == pid
            assert await first.ask("ticker") == first.pid
            assert "crashed" not in first.text()
            assert "ready" not in second.text()
    finally:
        server.close()


@pytest.mark.promise(id="SEM-1523")
async def test_a_root_passes_on_only_for_one_that_knows_the_secret_and_means_this_root(
    jetstream: NatsServer,
):
    config = over_nats(jetstream, traveller("here"), prefix="sealed", secret="only we know it")
    async with Runtime.from_config(config) as runtime:
        node, asked = cast(Any, runtime._node), asyncio.Event()
        requests = 0

        def passes_on() -> None:
            nonlocal requests
            requests += 1
            asked.set()

        node.next_program.yields_to(passes_on)
        leader, at = node.lead.leader.id, "sealed.level=2E3.takes"
        own, stranger = node.transport.other_roots, strangers_to(config)
        client = await nats.connect(jetstream.url)
        for said in forged("take over", leader, own, stranger):
            await client.publish(at, said)
        await client.publish(at, own.says("take over", leader))
        async with asyncio.timeout(10):
            await asked.wait()
        await client.close()
        assert requests == 1


@pytest.mark.promise(id="SEM-1525")
async def test_a_root_believes_that_another_waits_only_if_that_one_knows_the_secret_and_means_this_root(
    jetstream: NatsServer,
):
    config = over_nats(jetstream, traveller("here"), prefix="waited", secret="only we know it")
    async with Runtime.from_config(config) as runtime:
        node = cast(Any, runtime._node)
        lead, leader, at = node.lead, node.lead.leader.id, "waited.level=2E3.waits"
        own, stranger = node.transport.other_roots, strangers_to(config)
        seal, looked_at = own.seal, list[str]()

        def compared(what: str, to: str) -> bytes:
            looked_at.append(what)
            return cast(bytes, seal(what, to))

        own.seal = compared
        client = await nats.connect(jetstream.url)
        for waits, what in ((True, "waits"), (False, "stopped waiting")):
            said = forged(what, leader, OtherRoots(seal), stranger)
            looked_at.clear()
            for each in said:
                await client.publish(at, each)
            # What is not the one thing is compared with the other, which is the last that is done with it.
            await until(lambda said=said: looked_at.count("stopped waiting") == len(said))  # type: ignore[misc]
            assert lead.watched is not waits
            await client.publish(at, seal(what, leader))
            await until(lambda waits=waits: lead.watched is waits)  # type: ignore[misc]
            if waits:
                lead._unwatched = -1000  # and it stays so, however slow this machine is
        await client.close()


def strangers_to(config: dict[str, Any]) -> OtherRoots:
    """What a root of the same system says that was given another secret."""
    other = {**config, "transport": {**config["transport"], "secret": "another one"}}
    return cast(OtherRoots, cast(Any, Runtime.from_config(other)._node).transport.other_roots)


def forged(what: str, leader: str, own: OtherRoots, stranger: OtherRoots) -> list[bytes]:
    return [b"", what.encode(), stranger.says(what, leader), own.says(what, "the last leader")]


def jetstream_in(folder: Path) -> NatsServer:
    return NatsServer(folder, f"jetstream {{store_dir: {json.dumps(str(folder))}}}").start()


def is_quiet(ledger: Path) -> bool:
    """Whether nobody has written for longer than it takes to work once."""
    return time.time() - ledger.stat().st_mtime > 0.5


def has_ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
