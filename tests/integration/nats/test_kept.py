"""Messages that a real server keeps in its streams, whatever dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from civitas import HandlerFailed, MailboxFull, Runtime, StartFailed
from civitas.errors import ConfigurationError
from civitas.transport.nats.mailboxes.mailboxes import NatsMailboxes
from tests.integration.nats.conftest import over_nats, traveller
from tests.integration.nats.roots import Root
from tests.integration.processes.system import Events, lines, pid_of, until
from tests.nats_server import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def scribe(name: str, file: Path, process: str | None = None, **keywords: Any) -> dict[str, Any]:
    """An agent that notes what it gets; the server keeps its messages."""
    entry = {"delivery": "at_least_once", **keywords, "file": str(file)}
    if process is not None:
        entry["process"] = process
    return {"agent": {"name": name, "type": "tests.integration.nats.cast:Scribe", **entry}}


def pool(name: str, process: str | None = None) -> dict[str, Any]:
    entry = {**traveller(name, process)["agent"], "delivery": "at_least_once"}
    return {"conversation_pool": entry}


@pytest.mark.promise(id="SEM-1451")
async def test_with_jetstream_the_messages_of_every_agent_go_through_streams(system, server):
    config = over_nats(
        server,
        traveller("here"),
        traveller("there", "worker"),
        pool("pool"),
        pool("far pool".replace(" ", "-"), "worker"),
        prefix="kept",
        jetstream=True,
    )
    async with Runtime.from_config(config) as kept:
        for asker in ("here", "there"):
            for asked in ("here", "there"):
                if asker != asked:
                    order = {"to": asked, "type": "echo", "payload": [1, "ä"]}
                    assert (await kept.ask(asker, order, "ask")).payload == [1, "ä"]
        for name in ("pool", "far-pool"):
            replies = [await kept.ask(name, 1, conversation="c"), await kept.ask(name, 2)]
            assert [reply.payload for reply in replies] == [1, 2]
        async with aclosing(kept.stream("there", 250, "count")) as stream:
            assert [message.payload async for message in stream] == [*range(250), "told"]
        with pytest.raises(HandlerFailed, match="boom"):
            await kept.ask("there", "boom", "crash")
        assert (await kept.ask("there", None, "pid")).payload == pid_of(kept, "there")


@pytest.mark.promise(id="SEM-1460")
async def test_a_message_that_is_larger_than_the_server_takes_is_kept_in_pieces(system, server):
    config = over_nats(
        server, traveller("there", "worker", delivery="at_least_once"), prefix="large"
    )
    payload = os.urandom(5_000_000)
    async with Runtime.from_config(config) as kept:
        asked = [kept.ask("there", n if n % 2 else payload) for n in range(4)]
        assert [each.payload for each in await asyncio.gather(*asked)] == [payload, 1, payload, 3]


@pytest.mark.promise(id="SEM-1475")
async def test_a_mailbox_that_is_lost_again_while_its_reader_goes_on_is_asked_for_once_more(
    system, server, monkeypatch
):
    may_finish = NatsMailboxes._may_finish
    # Not before the end of the first message, nor when that comes again as the root says that reading may go on.
    so_far = iter((False, False))
    monkeypatch.setattr(
        NatsMailboxes, "_may_finish", lambda self: next(so_far, True) and may_finish(self)
    )
    entry = {**traveller("clerk")["agent"], "delivery": "durable"}
    config = over_nats(server, {"conversation_pool": entry}, prefix="twice")
    async with Runtime.from_config(config) as kept:
        assert (await kept.ask("clerk", 1, conversation="c")).payload == 1
        assert (await kept.ask("clerk", 2, conversation="c", timeout=5)).payload == 2
    assert list(so_far) == []


@pytest.mark.promise(id="SEM-1453")
async def test_sends_that_are_started_together_arrive_in_order_at_a_small_mailbox(
    system, server, tmp_path
):
    file = tmp_path / "written"
    config = over_nats(
        server,
        scribe("small", file, "worker", mailbox_size=4, pause=0.0002),
        traveller("sender", "worker"),
        prefix="order",
    )
    async with Runtime.from_config(config) as kept:
        await asyncio.gather(*(kept.send("small", n, timeout=None) for n in range(300)))
        await until(lambda: len(lines(file)) == 300)
    assert lines(file) == [f"{n} 0" for n in range(300)]


@pytest.mark.promise(id="SEM-1454")
async def test_a_send_waits_while_as_many_are_unfinished_as_the_mailbox_holds(
    system, server, tmp_path
):
    file = tmp_path / "written"
    config = over_nats(
        server, scribe("busy", file, "worker", mailbox_size=2, shutdown_timeout=0), prefix="full"
    )
    config["runtime"] = {"drain_timeout": 0.1}
    async with Runtime.from_config(config) as kept:
        await kept.send("busy", "wait")
        await kept.send("busy", "waits")
        with pytest.raises(MailboxFull, match=r"2 messages.*0.3 s"):
            await kept.send("busy", "has no room", timeout=0.3)


@pytest.mark.promise(id="SEM-1455")
async def test_what_a_killed_process_had_comes_again_at_once_and_in_order(system, server, tmp_path):
    file = tmp_path / "written"
    config = over_nats(server, scribe("sure", file, "worker"), prefix="again")
    async with Runtime.from_config(config) as kept:
        events = Events(kept)
        for payload in (0, "die once", *range(1, 20)):
            await kept.send("sure", payload)
        assert (await kept.ask("sure", "last")).payload == 0
        assert [event.name for event in events.of("crashed")] == ["sure"]
    again = ["0 0", "die once 0", "die once 1", *(f"{n} 0" for n in range(1, 20)), "last 0"]
    assert lines(file) == again


@pytest.mark.promise(id="SEM-1456")
async def test_a_message_that_kills_its_process_each_time_is_given_up(system, server, tmp_path):
    file = tmp_path / "written"
    config = over_nats(server, scribe("sure", file, "worker", max_deliveries=2), prefix="poison")
    async with Runtime.from_config(config) as kept:
        events = Events(kept)
        with pytest.raises(HandlerFailed) as failed:
            await kept.ask("sure", "die")
        assert failed.value.error_type == "NodeDown"
        assert (await kept.ask("sure", "next")).payload == 0
        await until(lambda: events.reasons() == ["max_deliveries"])
    assert lines(file) == ["die 0", "die 1", "next 0"]


@pytest.mark.promise(id="SEM-1457")
async def test_what_was_accepted_is_handled_after_a_kill_of_every_process_and_the_server(
    server_of_its_own, tmp_path
):
    server = server_of_its_own
    here, there = tmp_path / "here", tmp_path / "there"
    config = over_nats(
        server,
        scribe("here", here, shutdown_timeout=0),
        scribe("there", there, "worker", shutdown_timeout=0),
        traveller("beside", "worker"),
    )
    config["runtime"] = {"drain_timeout": 0.1}
    root = await Root(tmp_path / "root", config).start()
    await root.says(" ready ")
    for name in ("here", "there"):
        for payload in ("wait", 1):
            await root.civitas("send", "topology.yaml", name, json.dumps(payload))
    await until(lambda: lines(here) == lines(there) == ["wait 0"])
    worker = await root.ask("beside", type="pid")
    server.kill()
    root.signal(signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    await root.ended()
    server.start()
    async with Runtime.from_config(config):
        await until(lambda: len(lines(here)) > 1 and len(lines(there)) > 1)
        assert lines(here) == lines(there) == ["wait 0", "wait 1"]
    async with Runtime.from_config(config):  # it stopped well, which counts nothing
        await until(lambda: len(lines(here)) > 2 and len(lines(there)) > 2)
        assert lines(here)[2:] == lines(there)[2:] == ["wait 1"]


@pytest.mark.promise(id="SEM-1458")
@pytest.mark.promise(id="SEM-1463")
@pytest.mark.parametrize("place", [None, "worker"])
async def test_what_stands_in_a_mailbox_when_the_system_stops_is_handled_at_its_next_start(
    system, server, tmp_path, place
):
    file = tmp_path / "written"
    slow = scribe("slow", file, place, pause=30, shutdown_timeout=0)
    config = over_nats(server, slow, prefix=f"stop{place}")
    config["runtime"] = {"drain_timeout": 0.1}
    async with Runtime.from_config(config) as kept:
        events = Events(kept)
        for n in range(3):
            await kept.send("slow", n)
        await until(lambda: lines(file) == ["0 0"])
    assert events.reasons() == []
    slow["agent"]["pause"] = 0
    async with Runtime.from_config(config) as kept:
        assert (await kept.ask("slow", "last")).payload == 0
    assert lines(file) == ["0 0", "0 0", "1 0", "2 0", "last 0"]


@pytest.mark.promise(id="SEM-1465")
async def test_what_takes_longer_than_the_server_waits_is_delivered_once_also_while_the_loop_is_blocked(
    system, server, tmp_path, monkeypatch
):
    monkeypatch.setattr("civitas.transport.nats.mailboxes.keeper._ACK_WAIT", 1)
    monkeypatch.setattr("civitas.transport.nats.pulse._PROGRESS_EVERY", 0.1)
    file = tmp_path / "written"
    config = over_nats(
        server,
        scribe("slow", file, pause=1.3),
        prefix="long",
        runtime={"node_timeout": 4},
    )
    async with Runtime.from_config(config) as kept:
        assert (await kept.ask("slow", "block", timeout=20)).payload == 0
        node: Any = kept._node
        found = await node.mailboxes._granting._keeper._call(
            "CONSUMER.INFO.long_level=2E3_mailboxes_1000.mbox_slow"
        )
    assert lines(file) == ["block 0"]
    assert found["delivered"]["consumer_seq"] == 1


@pytest.mark.promise(id="SEM-1459")
async def test_a_server_without_jetstream_is_an_error_at_the_start(tmp_path):
    server = NatsServer(tmp_path).start()
    try:
        config = over_nats(server, scribe("sure", tmp_path / "written", "worker"))
        kept = Runtime.from_config(config)
        with pytest.raises((ConfigurationError, StartFailed), match="no JetStream"):
            await kept.start()
        config["transport"]["jetstream"] = False
        async with Runtime.from_config(config) as runtime:
            assert (await runtime.ask("sure", "die once")).payload == 1
    finally:
        server.close()


@pytest.mark.promise(id="SEM-1452")
async def test_a_stream_that_is_there_with_other_settings_is_refused(system, server, tmp_path):
    config = over_nats(server, scribe("sure", tmp_path / "written", "worker"), prefix="drift")
    async with Runtime.from_config(config):
        pass
    config["transport"]["stream"] = {"max_age": "7d"}
    with pytest.raises(ConfigurationError, match=r"is there with other settings.*max_age"):
        await Runtime.from_config(config).start()


@pytest.mark.promise(id="SEM-1653")
@pytest.mark.promise(id="SEM-1671")
async def test_durable_agents_whose_messages_the_server_keeps_have_timers_and_no_names_of_runs(
    system, server, tmp_path
):
    """The server knows no names: one that is given is refused, whoever sends, instead of being lost."""
    cast, heard = "tests.integration.processes.durable_cast", tmp_path / "heard"
    keeper = {"type": f"{cast}.Keeper", "heard": str(heard), "delivery": "durable"}
    config = over_nats(
        server,
        {"agent": {"name": "far", "process": "worker", **keeper}},
        {"agent": {"name": "near", **keeper}},
        {"agent": {"name": "teller", "type": f"{cast}.Teller", "process": "other"}},
        prefix="names",
    )
    config["state"] = {"type": "sqlite", "path": str(tmp_path / "state.db")}
    async with Runtime.from_config(config) as kept:
        for name in ("far", "near"):
            for call in (kept.ask, kept.send):
                with pytest.raises(ConfigurationError, match="the broker, which has no names"):
                    await call(name, 1, run="r")
            order = {"to": name, "payload": 1, "run": "r"}
            assert (await kept.ask("teller", order, "ask")).payload[0] == "ConfigurationError"
            await kept.ask(name, 1, "much later")
        store: Any = kept._node.store
        assert len(await store.keys("civitas:runs:timer:")) == 2
        await kept.ask("far", 1, "later")
        await until(lambda: "near timed 0" in lines(heard))
