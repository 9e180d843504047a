"""Somebody who is no part of a system asks something of it, over its transport."""

from __future__ import annotations

import asyncio
import threading
from itertools import chain, repeat
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest

from civitas import AgentProcess
from civitas.brokers.nats import NatsOptions
from civitas.cluster.frames import packed
from civitas.cluster.guest import Guest
from civitas.cluster.looking import ViewServer, look_from_afar
from civitas.cluster.seal import Seal
from civitas.control.marks import PASSING
from civitas.control.operations import Operations
from civitas.errors import ConfigurationError, NodeDown
from civitas.message import new_id
from civitas.node.view import View
from civitas.testing import MemoryNetwork
from civitas.transport.nats import NatsTransport
from civitas.transport.nats.address import ROOT, Subjects
from civitas.transport.zmq import ZmqTransport
from tests.core.cluster.nodes import Nodes
from tests.nats_server import NatsServer


class Echo(AgentProcess):
    async def handle(self, message):
        return self.reply(message.payload)


class Slow(AgentProcess):
    began: asyncio.Event
    ended: asyncio.Event

    async def handle(self, message):
        Slow.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            Slow.ended.set()


@pytest.fixture
def slow():
    Slow.began, Slow.ended = asyncio.Event(), asyncio.Event()
    return Slow("slow", cancel_on_timeout=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


@pytest.fixture(params=["memory", "zmq over TCP", "nats"])
def network(request):
    """Makes transports, the first that of the root."""
    if request.param == "memory":
        return MemoryNetwork()
    if request.param == "nats":
        options = NatsOptions.of({"servers": request.getfixturevalue("server").url})
        subjects = Subjects.of("civitas", new_id())
        tokens = chain([ROOT], repeat(None))
        return SimpleNamespace(
            transport=lambda: NatsTransport(options, subjects, token=next(tokens), patience=5.0)
        )
    return SimpleNamespace(transport=lambda: ZmqTransport(address="tcp://127.0.0.1:*"))


@pytest.fixture
async def nodes(network, slow):
    async with Nodes(network.transport, {"w": {"far": Echo}}, Echo("near"), slow) as nodes:
        nodes.root.guests.answers = Operations(nodes.runtime).answer
        yield nodes


@pytest.fixture
async def knock(network, nodes):
    """Lets guests in, and out at the end of the test."""
    guests = []

    async def one(token="of the system", root=None):
        guest = Guest(root or nodes.transport.address, token, network.transport())
        guests.append(guest)
        # Whoever is not let in gets no answer; one that is waits no longer than it takes.
        return guest if await guest.enter(10 if token == "of the system" else 0.05) else None

    yield one
    for each in guests:
        await each.close()


def ask(to, payload):
    return {"op": "ask", "to": to, "payload": payload, "timeout": 5.0}


@pytest.mark.promise(id="SEM-1516")
@pytest.mark.parametrize("agent", ["near", "far"])
async def test_a_guest_asks_agents_of_every_process(knock, agent):
    guest = await knock()
    answer = await guest.request(ask(agent, [1, "ä"]))
    assert answer["ok"]["payload"] == [1, "ä"]


@pytest.mark.promise(id="SEM-1516")
async def test_a_guest_sees_the_tree_and_is_no_process_of_it(knock, nodes):
    guest = await knock()
    tree = (await guest.request({"op": "tree"}))["ok"]
    assert {each["node"] for each in tree["children"]} == {"root", "w"}
    assert nodes.root.roster.get("the command line") is None


async def test_what_a_guest_asks_that_nobody_knows_is_refused_and_it_stays(knock):
    guest = await knock()
    assert "does not know 'fly'" in (await guest.request({"op": "fly"}))["message"]
    assert (await guest.request(ask("nobody", 1)))["error"] == "UnknownAgent"
    assert (await guest.request(ask("near", 1)))["ok"]["payload"] == 1


@pytest.mark.promise(id="SEM-1517")
async def test_who_does_not_show_the_token_gets_no_answer(knock, nodes):
    assert await knock("another") is None
    assert [name for name in nodes.root.peers.by_name if "guest" in name] == []


@pytest.mark.promise(id="SEM-1517")
async def test_a_guest_may_do_nothing_but_ask(knock, nodes):
    guest = await knock()
    root = guest._joining.root
    with pytest.raises(ConfigurationError, match="does not know the call 'terminate'"):
        await guest._calls.call(root, "terminate", "x", "near")


@pytest.mark.promise(id="SEM-1518")
async def test_what_a_guest_waits_for_is_withdrawn_when_it_leaves(knock):
    guest = await knock()
    asking = asyncio.create_task(guest.request(ask("slow", 1)))
    await Slow.began.wait()
    await guest.close()
    await Slow.ended.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.promise(id="SEM-1518")
async def test_what_a_guest_stops_waiting_for_is_withdrawn(knock):
    guest = await knock()
    asking = asyncio.create_task(guest.request(ask("slow", 1)))
    await Slow.began.wait()
    asking.cancel()
    await Slow.ended.wait()
    assert (await guest.request(ask("near", 2)))["ok"]["payload"] == 2


@pytest.mark.promise(id="SEM-1518")
async def test_a_guest_hears_at_once_that_the_system_stops(knock, nodes):
    guest = await knock()
    asking = asyncio.create_task(guest.request({"op": "ask", "to": "slow", "payload": 1}))
    await Slow.began.wait()
    await nodes.root.guests.close()
    with pytest.raises(NodeDown, match="the system stopped"):
        await asking
    await Slow.ended.wait()


async def test_a_system_that_takes_no_requests_says_so(knock, nodes):
    nodes.root.guests.answers = None
    with pytest.raises(ConfigurationError, match="the system takes no requests"):
        await knock()


async def test_more_than_so_many_at_once_are_refused(knock, nodes, monkeypatch):
    monkeypatch.setattr("civitas.cluster.guests._MOST", 1)
    await knock()
    with pytest.raises(ConfigurationError, match="1 others ask something"):
        await knock()


# Looks beside the event loop.

over_nats = pytest.mark.parametrize("network", ["nats"], indirect=True)


@pytest.fixture
async def looks(network, nodes):
    """Looks into whichever process has an agent, by the way that needs no event loop there."""
    seal = Seal("of the system")
    member = nodes.members["w"]
    view_server = ViewServer(View(member), seal, member.transport)
    view_server.open()
    nodes.root.guests.let_look(View(nodes.root))

    async def look(name, token="of the system", address=None, within=0.2):
        return await look_from_afar(nodes.transport, Seal(token), address, name, None, within)

    yield look
    view_server.close()


@over_nats
@pytest.mark.promise(id="SEM-1722")
async def test_whichever_process_has_an_agent_shows_it(looks):
    seen = [await looks(name, within=5) for name in ("near", "far")]
    assert [(each["node"], each["agent"]["name"]) for each in seen] == [
        ("root", "near"),
        ("w", "far"),
    ]
    assert await looks("nobody") is None


@over_nats
@pytest.mark.promise(id="SEM-1756")
@pytest.mark.usefixtures("looks")
async def test_the_root_looks_into_another_process_beside_its_event_loop(nodes):
    far = nodes.root.far
    assert (far.where("far"), far.where("near"), far.where("nobody")) == ("w", None, None)
    looking = threading.Thread(
        target=lambda: seen.append(asyncio.run(far.look_through("w", "far", None, 5)))
    )
    seen = []
    looking.start()
    looking.join()  # so that the event loop of the root is blocked
    assert seen[0]["agent"]["name"] == "far"


@over_nats
async def test_whoever_looks_while_this_node_ends_sees_nothing_and_goes_on(looks, nodes):
    address = nodes.transport.address
    looking = asyncio.create_task(looks("near", token="another", address=address, within=30))
    await asyncio.sleep(0)
    await nodes.transport._pulse.close()
    assert await looking is None
    assert await looks("near", address=address) is None


@over_nats
@pytest.mark.promise(id="SEM-1517")
async def test_who_does_not_show_the_token_sees_no_process(looks, nodes):
    for address in (None, nodes.transport.address):
        assert await looks("near", token="another", address=address) is None
    shows = nodes.transport._pulse.looking.shows
    for rubbish in (b"", b"\xc1", b"\x94\x01\x02\x03\x04", packed(("a", b"", False, "seal"))):
        assert shows(rubbish, 1000) is None


@over_nats
async def test_an_agent_whose_state_the_server_cannot_send_is_shown_without_it(looks, nodes):
    agent = nodes.root.registry["near"].incarnation.agent
    agent.state["book"] = "x" * 2_000_000
    seen = await looks("near", address=nodes.transport.address, within=5)
    assert seen["agent"]["state"] is None
    assert seen["agent"]["name"] == "near"


@pytest.mark.parametrize("network", ["memory"], indirect=True)
async def test_a_carrier_without_such_a_way_shows_nothing(looks):
    assert await looks("near", within=5) is None


@pytest.mark.promise(id="SEM-1834")
async def test_a_root_that_led_before_hears_that_the_next_one_works_although_that_lets_nobody_ask():
    network = MemoryNetwork()
    async with Nodes(network.transport, {}, Echo("near")) as nodes:
        assert nodes.root.guests.answers is None
        guest = Guest(nodes.transport.address, "of the system", network.transport(), was_root=True)
        try:
            assert await guest.enter(10)
            assert await guest.call("started")
        finally:
            await guest.close()


@pytest.mark.promise(id="SEM-1819")
async def test_a_request_that_waits_while_another_program_takes_over_on_this_machine_is_for_that():
    network = MemoryNetwork()
    async with Nodes(network.transport, {}, Echo("near")) as nodes:
        guests, waits = nodes.root.guests, asyncio.Event()

        async def answers(request, noted):
            waits.set()
            await guests.passes.wait()
            return {PASSING: True}

        guests.answers = answers
        guest = Guest(nodes.transport.address, "of the system", network.transport())
        try:
            assert await guest.enter(10)
            asking = asyncio.create_task(guest.request({"op": "tree"}))
            await waits.wait()
            await nodes.runtime._life.pass_on(5, AsyncMock())
            assert await asking == {PASSING: True}
        finally:
            await guest.close()
