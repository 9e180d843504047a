"""Conversation pools in other OS processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import Event, SupervisionError
from civitas.message import new_id
from tests.integration.wire.conftest import System, topology, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def pool(name: str, process: str = "worker", **keys: Any) -> dict[str, Any]:
    entry = {"name": name, "type": "tests.integration.wire.agents:Hand", "process": process, **keys}
    return {"conversation_pool": entry}


TOPOLOGY = topology(
    pool("talks"),
    pool("naps", idle_timeout=0.05),
    pool("tight", max_live=1, mailbox_size=1),
    {"dynamic_supervisor": {"name": "sessions"}},
)


def names(system: System, pool: str) -> list[str]:
    return [each["name"] for each in system.runtime.which_children(pool)]


@pytest.mark.promise(id="SEM-869")
async def test_each_conversation_has_a_process_of_its_own_there(system: System) -> None:
    for asker in ("r_one", "w_one", "v_one"):
        for conversation in ("a", "b"):
            found = await system.ask(asker, "talks", None, "envelope", conversation=conversation)
            assert found["sender"] == f"talks/{conversation}"
            assert found["payload"]["conversation"] == conversation
    await until(lambda: set(names(system, "talks")) >= {"talks/a", "talks/b"})
    node = system.find("talks/a")
    assert (node["node"], node["pid"], node["kind"]) == (
        "worker",
        system.find("w_one")["pid"],
        "agent",
    )
    assert system.find("talks")["kind"] == "conversation_pool"
    assert system.runtime.count_children("talks")["active"] >= 2


@pytest.mark.promise(id="SEM-869")
async def test_a_conversation_is_reached_by_its_own_name_from_any_process(system: System) -> None:
    for asker in ("r_one", "w_one", "v_one"):
        found = await system.ask(asker, "talks/own", "hello")
        assert (found["payload"], found["sender"]) == ("hello", "talks/own")


@pytest.mark.promise(id="SEM-1191")
async def test_who_is_told_of_a_crashed_conversation_sees_it_down(system: System) -> None:
    await system.ask("r_one", "talks", "hello", conversation="falls")
    await until(lambda: "talks/falls" in names(system, "talks"))
    seen: list[tuple[str, str]] = []

    def look(event: Event) -> None:
        if event.name == "talks/falls":
            seen.append((event.type, system.find(event.name)["status"]))

    endings = [system.runtime.on(type, look) for type in ("crashed", "restarted")]
    await system.ask("r_one", "talks", None, "crash", conversation="falls")
    await until(lambda: len(seen) == 2)
    for end in endings:
        end()
    assert seen == [("crashed", "restarting"), ("restarted", "running")]


@pytest.mark.promise(id="SEM-869")
async def test_a_message_without_a_conversation_gets_a_process_that_ends_after_it(
    system: System,
) -> None:
    found = await system.ask("v_one", "talks", "alone")
    assert found["sender"].startswith("talks/")
    await until(lambda: found["sender"] not in names(system, "talks"))


@pytest.mark.promise(id="SEM-869")
async def test_conversations_run_beside_each_other_each_in_order(system: System) -> None:
    gate = new_id()
    holding = asyncio.create_task(system.ask("r_one", "talks", gate, "hold", conversation="held"))

    async def talk(conversation: str) -> None:
        for number in range(10):
            await system.runtime.send("talks", number, "note", conversation=conversation)
        await system.runtime.ask("talks", None, "echo", conversation=conversation)

    conversations = [f"c{number}" for number in range(30)]
    await asyncio.gather(*(talk(each) for each in conversations))
    for each in conversations:
        assert await system.tell("w_keeper", "journal", f"talks/{each}") == list(range(10))
    await system.open("w", gate)
    assert (await holding)["payload"] == "let go"


@pytest.mark.promise(id="SEM-869")
async def test_an_idle_conversation_sleeps_and_is_restored(system: System) -> None:
    found = await system.ask("v_one", "naps", None, "count", conversation="n")
    assert found["payload"] == 1
    await until(lambda: "naps/n" not in names(system, "naps"))
    found = await system.ask("r_one", "naps", None, "count", conversation="n")
    assert found["payload"] == 2


@pytest.mark.promise(id="SEM-869")
async def test_where_the_line_of_conversations_is_full_senders_elsewhere_wait(
    system: System,
) -> None:
    gate = new_id()
    holding = asyncio.create_task(system.ask("r_one", "tight", gate, "hold", conversation="live"))
    await until(lambda: "tight/live" in names(system, "tight"))
    order = {"to": "tight", "payload": "x", "message_type": "note", "timeout": 0.1}
    taken = []
    for number in range(5):
        found = await system.tell("v_one", "send", {**order, "conversation": f"t{number}"})
        taken.append(found.get("error", "sent"))
    assert taken[0] == "sent"
    assert taken[-1] == "MailboxFull"
    assert "pool" in found["text"]
    assert "a larger max_live" in found["text"]
    await system.open("w", gate)
    assert (await holding)["payload"] == "let go"
    found = await system.ask("v_one", "tight", "room", conversation="t4")
    assert found["payload"] == "room"


@pytest.mark.promise(id="SEM-870")
async def test_a_conversation_that_crashed_is_told_to_who_watches_it(system: System) -> None:
    for watcher in ("r_one", "v_one", "w_one"):
        conversation = f"watched-{watcher}"
        await system.ask("r_one", "talks", 1, conversation=conversation)
        ref = await system.tell(watcher, "monitor", f"talks/{conversation}")
        found = await system.ask("r_one", "talks", None, "crash", conversation=conversation)
        assert found["error"] == "HandlerFailed"
        async with asyncio.timeout(5):
            while not (down := [e for e in await system.journal(watcher) if e["ref"] == ref]):
                await asyncio.sleep(0.005)
        assert down[0]["reason"] == "crashed"
        again = await system.ask("r_one", "talks", 2, conversation=conversation)
        assert again["payload"] == 2


@pytest.mark.promise(id="SEM-870")
async def test_a_conversation_that_is_not_awake_is_watched_in_vain(system: System) -> None:
    for watcher in ("r_one", "v_one", "w_one"):
        ref = await system.tell(watcher, "monitor", "talks/nobody")
        async with asyncio.timeout(5):
            while not (down := [e for e in await system.journal(watcher) if e["ref"] == ref]):
                await asyncio.sleep(0.005)
        assert down[0]["reason"] == "noproc"


@pytest.mark.promise(id="SEM-870")
async def test_a_conversation_is_ended_and_restarted_by_an_operator(system: System) -> None:
    await system.ask("r_one", "talks", 1, conversation="op")
    await system.runtime.restart("talks/op")
    await system.runtime.terminate_child("talks", "talks/op")
    await until(lambda: "talks/op" not in names(system, "talks"))
    with pytest.raises(SupervisionError) as caught:
        await system.runtime.terminate_child("talks", "talks/op")
    assert caught.value.reason == "not_found"
    assert (await system.ask("r_one", "talks", 2, conversation="op"))["payload"] == 2


@pytest.mark.promise(id="SEM-870")
async def test_a_conversation_spawns_beside_its_pool(system: System) -> None:
    child = f"child-{new_id()}"
    found = await system.ask("r_one", "talks", [child], "spawn", conversation="spawner")
    assert found["payload"] == child
    assert system.find(child)["node"] == "worker"


@pytest.mark.promise(id="SEM-870")
async def test_the_events_of_conversations_elsewhere_come(system: System) -> None:
    events = system.told("crashed", "restarted")
    await system.ask("r_one", "talks", None, "crash", conversation="eventful")
    await until(lambda: len(events) == 2)
    assert [(each.type, each.name, each.node) for each in events] == [
        ("crashed", "talks/eventful", "worker"),
        ("restarted", "talks/eventful", "worker"),
    ]


async def test_a_pool_that_was_stopped_refuses_everybody(system: System) -> None:
    await system.runtime.terminate_child("top", "naps")
    for asker in ("r_one", "w_one", "v_one"):
        found = await system.ask(asker, "naps", 1, conversation="x")
        assert found["error"] == "AgentTerminated"
    await system.runtime.restart_child("top", "naps")
    assert (await system.ask("v_one", "naps", 1, conversation="x"))["payload"] == 1


@pytest.mark.promise(id="SEM-860")
async def test_a_broadcast_reaches_the_conversations_that_are_awake_elsewhere(
    system: System,
) -> None:
    for number in range(3):
        await system.ask("r_one", "talks", 1, conversation=f"cast-{number}")
    for sender in ("r_one", "w_one", "v_one"):
        mark = new_id()
        order = {"pattern": "talks/cast-*", "payload": mark, "message_type": "note"}
        assert await system.tell(sender, "broadcast", order) == 3
        for number in range(3):
            name = f"talks/cast-{number}"
            async with asyncio.timeout(5):
                while mark not in await system.tell("w_keeper", "journal", name):
                    await asyncio.sleep(0.005)
