"""One name with several OS processes behind it: who gets which message, whoever sends."""

from __future__ import annotations

import asyncio

import pytest

from civitas import AgentTerminated, MailboxFull, UnknownAgent
from civitas.message import new_id
from tests.integration.wire.conftest import System, agent, topology, until
from tests.integration.wire.pack import both, held, journal, let_go

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPOLOGY = topology(
    agent("crew", process="pack", replicas=2),
    agent("keep", "Keeper", "pack", replicas=2),
    agent("gone", process="pack", replicas=2),
    agent("narrow", process="pack", replicas=2, mailbox_size=1, cancel_on_timeout=True),
)

ASKERS = pytest.mark.parametrize("asker", ["r_one", "w_one"])
"""In the root, and in another OS process."""


@pytest.mark.promise(id="SEM-931")
async def test_the_tree_shows_each_replica_below_the_name(system: System) -> None:
    group = system.find("crew")
    assert group["kind"] == "supervisor"
    below = group["children"]
    assert [(each["name"], each["kind"], each["node"]) for each in below] == [
        ("crew-1", "agent", "pack-1"),
        ("crew-2", "agent", "pack-2"),
    ]
    assert len({each["pid"] for each in below} | {system.find("r_one")["pid"]}) == 3


@pytest.mark.promise(id="SEM-932")
@ASKERS
async def test_a_message_goes_to_the_least_busy(system: System, asker: str) -> None:
    gate = new_id()
    holding, busy = await held(system, "crew", system.runtime.ask("crew", gate, "hold"))
    answers = [await system.ask(asker, "crew", n) for n in range(4)]
    assert [each["payload"] for each in answers] == [0, 1, 2, 3]
    assert {each["sender"] for each in answers} == {"crew-1", "crew-2"} - {busy}
    await let_go(system, busy, gate)
    assert (await holding).payload == "let go"


@pytest.mark.promise(id="SEM-932")
@ASKERS
async def test_among_equals_they_take_turns(system: System, asker: str) -> None:
    senders = [(await system.ask(asker, "crew"))["sender"] for _ in range(4)]
    assert senders[:2] == senders[2:]
    assert set(senders) == {"crew-1", "crew-2"}


@pytest.mark.promise(id="SEM-932")
@ASKERS
async def test_each_message_is_handled_by_exactly_one(system: System, asker: str) -> None:
    before = [len(entries) for entries in await both(system, "crew")]
    await system.tell(asker, "send_many", {"to": "crew", "count": 100})
    async with asyncio.timeout(10):
        while True:
            now = await both(system, "crew")
            heard = [entries[n:] for n, entries in zip(before, now, strict=True)]
            if sum(map(len, heard)) >= 100:
                break
    assert sorted(heard[0] + heard[1]) == list(range(100))
    assert all(heard)


@pytest.mark.promise(id="SEM-933")
async def test_a_conversation_stays_with_one_whoever_sends(system: System) -> None:
    conversations = [new_id() for _ in range(4)]
    had: dict[str, set[str]] = {each: set() for each in conversations}
    for asker in (None, "r_one", "w_one", "v_one") * 2:
        for each in conversations:
            if asker is None:
                reply = await system.runtime.ask("crew", 1, "echo", conversation=each)
                had[each].add(reply.sender or "")
            else:
                found = await system.ask(asker, "crew", conversation=each)
                had[each].add(found["sender"])
    assert [len(senders) for senders in had.values()] == [1, 1, 1, 1]
    assert set.union(*had.values()) == {"crew-1", "crew-2"}


@pytest.mark.promise(id="SEM-933")
@ASKERS
async def test_a_conversation_that_begins_with_an_answer_stays_with_who_gave_it(
    system: System, asker: str
) -> None:
    began = [await system.ask(asker, "crew", message_type="begin") for _ in range(3)]
    for each in began:
        for other in ("w_one", "r_one"):
            found = await system.ask(other, "crew", conversation=each["payload"])
            assert found["sender"] == each["sender"]


@pytest.mark.promise(id="SEM-933")
@ASKERS
async def test_the_messages_of_a_conversation_wait_for_the_one_that_has_it(
    system: System, asker: str
) -> None:
    gate, conversation = new_id(), new_id()
    ask = system.runtime.ask("crew", gate, "hold", conversation=conversation)
    holding, busy = await held(system, "crew", ask)
    order = {"to": "crew", "conversation": conversation}
    for n in range(3):
        await system.tell(asker, "send", {**order, "payload": [gate, n], "message_type": "note"})
    await let_go(system, busy, gate)
    await holding
    last = await system.ask(asker, "crew", conversation=conversation)
    assert last["sender"] == busy
    heard = [
        each for each in await journal(system, busy) if isinstance(each, list) and each[0] == gate
    ]
    assert heard == [[gate, 0], [gate, 1], [gate, 2]]


@ASKERS
async def test_a_replica_sees_the_name_that_was_sent_to(system: System, asker: str) -> None:
    envelope = (await system.ask(asker, "crew", message_type="envelope"))["payload"]
    assert (envelope["sender"], envelope["recipient"]) == (asker, "crew")
    assert envelope["attempt"] == 0
    assert envelope["deadline"] is not None


@pytest.mark.promise(id="SEM-932")
async def test_a_replica_that_sends_to_its_own_name_reaches_another(system: System) -> None:
    for _ in range(2):
        order = {"to": "crew", "payload": 1, "message_type": "echo"}
        reply = await system.runtime.ask("crew", order, "ask")
        assert {reply.sender, reply.payload["sender"]} == {"crew-1", "crew-2"}


@pytest.mark.promise(id="SEM-934")
async def test_a_replica_that_asks_its_own_name_in_its_conversation_is_refused(
    system: System,
) -> None:
    order = {"to": "crew", "payload": 1, "message_type": "echo"}
    reply = await system.runtime.ask("crew", order, "ask", conversation=new_id())
    assert reply.payload["error"] == "AskCycle"


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_replica_and_another_that_would_wait_for_each_other_are_told_at_once(
    system: System, asker: str
) -> None:
    back = {"to": "crew", "payload": 1, "message_type": "echo", "timeout": 15}
    order = {"to": asker, "payload": back, "message_type": "ask", "timeout": 15}
    reply = await system.runtime.ask("crew", order, "ask", conversation=new_id())
    assert reply.payload["payload"]["error"] == "AskCycle"
    assert reply.payload["payload"]["seconds"] < 5


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_the_other_way_round_they_are_told_at_once_too(system: System, asker: str) -> None:
    back = {"to": asker, "payload": 1, "message_type": "echo", "timeout": 15}
    order = {"to": "crew", "payload": back, "message_type": "ask", "timeout": 15}
    reply = await system.runtime.ask(asker, order, "ask")
    assert reply.payload["payload"]["error"] == "AskCycle"
    assert reply.payload["payload"]["seconds"] < 5


@pytest.mark.promise(id="SEM-934")
@ASKERS
@pytest.mark.parametrize(("what", "error"), [("crash", "HandlerFailed"), ("none", "NoReply")])
async def test_what_becomes_of_an_ask_is_told_at_once(
    system: System, asker: str, what: str, error: str
) -> None:
    found = await system.ask(asker, "crew", message_type=what)
    assert found["error"] == error
    assert found["seconds"] < 5
    await until(lambda: all(each["status"] == "running" for each in system.nodes()))


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_late_answer_reaches_no_later_ask(system: System, asker: str) -> None:
    gate = new_id()
    order = {"to": "crew", "payload": gate, "message_type": "hold", "timeout": 0.5}
    asking = system.tell(asker, "ask", order)
    waiting, busy = await held(system, "crew", asking)
    assert (await waiting)["error"] == "AskTimeout"
    letters = system.told("dead_letter")
    await let_go(system, busy, gate)
    await until(lambda: "late_reply" in [each.reason for each in letters])
    assert (await system.ask(asker, "crew", 5))["payload"] == 5


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_who_is_asked_is_cancelled_with_the_ask(system: System, asker: str) -> None:
    async def cancelled() -> int:
        return sum(entries.count("cancelled") for entries in await both(system, "narrow"))

    # Before it asks: a busy machine may take longer to tell who holds than the ask waits.
    before = await cancelled()
    order = {"to": "narrow", "payload": new_id(), "message_type": "hold", "timeout": 0.5}
    waiting, _ = await held(system, "narrow", system.tell(asker, "ask", order))
    assert (await waiting)["error"] == "AskTimeout"
    async with asyncio.timeout(10):
        while await cancelled() == before:
            pass


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_stream_yields_every_chunk_and_the_reply_last(system: System, asker: str) -> None:
    order = {"to": "crew", "payload": 500, "message_type": "emit"}
    read = await system.tell(asker, "stream", order)
    assert read == [*(["chunk", n] for n in range(500)), ["reply", "done"]]


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_reader_that_leaves_cancels_the_producer(system: System, asker: str) -> None:
    before = sum(entries.count("left") for entries in await both(system, "crew"))
    order = {"to": "crew", "payload": None, "message_type": "emit_on", "take": 3}
    read = await system.tell(asker, "stream", order)
    assert read == [["chunk", 0], ["chunk", 1], ["chunk", 2]]
    async with asyncio.timeout(10):
        while sum(entries.count("left") for entries in await both(system, "crew")) == before:
            pass


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_slow_reader_slows_the_producer(system: System, asker: str) -> None:
    gate = new_id()
    before = [len(entries) for entries in await both(system, "narrow")]
    order = {"to": "narrow", "gate": gate}
    reading = asyncio.create_task(system.tell(asker, "hold_stream", order))

    async def emitted() -> int:
        now = await both(system, "narrow")
        return sum(len(entries) - n for n, entries in zip(before, now, strict=True))

    async with asyncio.timeout(10):
        while await emitted() < 100:
            pass
    for _ in range(20):
        await system.runtime.ask("w_one" if asker == "r_one" else "r_one", 1, "echo")
    assert 90 < await emitted() <= 101
    await system.open(asker[0], gate)
    assert await reading == "left"


@pytest.mark.promise(id="SEM-934")
@ASKERS
async def test_a_sender_waits_when_all_of_them_are_full(system: System, asker: str) -> None:
    gate = new_id()
    holds = [
        await held(system, "narrow", system.runtime.ask("narrow", gate, "hold")) for _ in range(2)
    ]
    order = {"to": "narrow", "payload": 1, "message_type": "note", "timeout": 0.2}
    found = [await system.tell(asker, "send", order) for _ in range(8)]
    sent = [each for each in found if each == {"sent": True}]
    assert {each["error"] for each in found[len(sent) :]} == {MailboxFull.__name__}
    assert 2 <= len(sent) <= 4  # each holds one in hand and one behind it, of each sending process
    for holding, busy in holds:
        await let_go(system, busy, gate)
        await holding
    assert (await system.ask(asker, "narrow", 3))["payload"] == 3


@pytest.mark.promise(id="SEM-934")
async def test_a_flood_from_other_processes_takes_no_place_of_the_roots_senders(
    system: System,
) -> None:
    gate = new_id()
    holds = [
        await held(system, "narrow", system.runtime.ask("narrow", gate, "hold")) for _ in range(2)
    ]
    order = {"to": "narrow", "payload": 1, "message_type": "note", "timeout": 0.2}
    for asker in ("w_one", "v_one"):
        while await system.tell(asker, "send", order) == {"sent": True}:
            pass
    for _ in holds:
        await system.runtime.send("narrow", 1, "note", timeout=0.2)
    with pytest.raises(MailboxFull):
        await system.runtime.send("narrow", 1, "note", timeout=0.2)
    for holding, busy in holds:
        await let_go(system, busy, gate)
        await holding


@pytest.mark.promise(id="SEM-936")
@ASKERS
async def test_a_pattern_matches_the_name_and_one_gets_the_message(
    system: System, asker: str
) -> None:
    mark = new_id()
    order = {"pattern": "crew*", "payload": mark, "message_type": "note"}
    assert await system.tell(asker, "broadcast", order) == 1
    async with asyncio.timeout(10):
        while not any(mark in entries for entries in await both(system, "crew")):
            pass
    assert [entries.count(mark) for entries in await both(system, "crew")] in ([0, 1], [1, 0])


@pytest.mark.promise(id="SEM-936")
async def test_a_replica_does_not_broadcast_to_its_own_name(system: System) -> None:
    order = {"pattern": "crew*", "payload": 1, "message_type": "note"}
    assert await system.tell("crew", "broadcast", order) == 0


@ASKERS
async def test_a_replica_is_also_reached_by_its_own_name(system: System, asker: str) -> None:
    for name in ("crew-1", "crew-2"):
        assert (await system.ask(asker, name))["sender"] == name


async def test_a_replica_knows_the_name_that_it_stands_behind(system: System) -> None:
    reply = await system.runtime.ask("crew", None, "family")
    assert reply.payload == [reply.sender, "crew"]


@ASKERS
@pytest.mark.parametrize("name", ["crew-3", "crew/x"])
async def test_no_other_name_leads_there(system: System, asker: str, name: str) -> None:
    found = await system.ask(asker, name)
    assert found["error"] == UnknownAgent.__name__


@pytest.mark.promise(id="SEM-936")
@ASKERS
async def test_whoever_monitors_the_name_hears_of_each_that_exits(
    system: System, asker: str
) -> None:
    ref = await system.tell(asker, "monitor", "crew")
    await system.ask("v_one", "crew", message_type="crash")
    async with asyncio.timeout(10):
        while not (
            downs := [
                each
                for each in await system.journal(asker)
                if isinstance(each, dict) and each.get("ref") == ref
            ]
        ):
            pass
    assert [(each["name"], each["reason"]) for each in downs] == [("crew", "crashed")]
    await until(lambda: all(each["status"] == "running" for each in system.nodes()))


@pytest.mark.promise(id="SEM-933")
@ASKERS
async def test_a_conversation_goes_to_another_when_its_replica_is_terminated(
    system: System, asker: str
) -> None:
    conversation = new_id()
    first = (await system.ask(asker, "crew", conversation=conversation))["sender"]
    await system.runtime.terminate_child("crew", first)
    try:
        then = (await system.ask(asker, "crew", conversation=conversation))["sender"]
        assert {first, then} == {"crew-1", "crew-2"}
        await system.runtime.terminate_child("crew", then)
        found = await system.ask(asker, "crew")
        assert found["error"] == AgentTerminated.__name__
        await system.runtime.restart_child("crew", then)
    finally:
        await system.runtime.restart_child("crew", first)
    assert (await system.ask(asker, "crew", conversation=conversation))["sender"] == then


@pytest.mark.promise(id="SEM-934")
async def test_all_of_them_are_ended_started_and_deleted_by_the_name(system: System) -> None:
    for asker in ("r_one", "w_one"):
        assert "payload" in await system.ask(asker, "gone")
    await system.runtime.terminate_child("top", "gone")
    for asker in ("r_one", "w_one"):
        assert (await system.ask(asker, "gone"))["error"] == AgentTerminated.__name__
    await system.runtime.restart_child("top", "gone")
    for asker in ("r_one", "w_one"):
        assert {(await system.ask(asker, "gone"))["sender"] for _ in range(2)} == {
            "gone-1",
            "gone-2",
        }
    await system.runtime.restart("gone")
    for asker in ("r_one", "w_one"):
        assert "payload" in await system.ask(asker, "gone")
    await system.runtime.terminate_child("top", "gone")
    await system.runtime.delete_child("top", "gone")
    for asker in ("r_one", "w_one"):
        for name in ("gone", "gone-1"):
            assert (await system.ask(asker, name))["error"] == UnknownAgent.__name__
