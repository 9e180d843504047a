"""Sends, broadcasts, timers and monitors between OS processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.message import new_id
from tests.integration.wire.conftest import ROUTES, System, everywhere, topology, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize(("here", "there"), ROUTES),
]

TOPOLOGY = topology(
    *everywhere("two"),
    *everywhere("small", mailbox_size=3),
    *everywhere("watched"),
    *everywhere("thread", "Threaded"),
    {
        "supervisor": {
            "name": "spare",
            "children": [*everywhere("spare"), *everywhere("doomed", shutdown_timeout=0)],
        }
    },
)


async def hold(system: System, asker: str, name: str) -> tuple[str, asyncio.Task[Any]]:
    """Let `name` handle a message until a gate opens; the gate, and the ask."""
    gate = new_id()
    held = (await system.journal(name)).count("hold")
    asking = asyncio.create_task(system.ask(asker, name, gate, "hold"))
    await system.wrote(name, "hold", held + 1)
    return gate, asking


@pytest.mark.promise(id="SEM-858")
async def test_each_senders_messages_arrive_in_order(system: System, here: str, there: str) -> None:
    name = f"{there}_one"
    before = len(await system.journal(name))
    senders = [f"{here}_one", f"{here}_two"]
    order = {"to": name, "count": 1500}
    await asyncio.gather(*(system.tell(each, "send_many", order) for each in senders))
    # Their last messages may still wait: what one of them asks comes after its own.
    for each in senders:
        await system.ask(each, name)
    numbers = (await system.journal(name))[before:]
    assert sorted(numbers) == sorted([*range(1500), *range(1500)])
    assert numbers.count(1499) == 2


@pytest.mark.promise(id="SEM-858")
async def test_one_sender_is_in_order_through_a_full_mailbox_and_asks_between(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_small"
    before = len(await system.journal(name))
    await system.tell(f"{here}_one", "send_many", {"to": name, "count": 200})
    await system.ask(f"{here}_one", name)
    assert (await system.journal(name))[before:] == list(range(200))


@pytest.mark.promise(id="SEM-859")
async def test_a_full_mailbox_makes_the_senders_of_another_process_wait(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_small"
    before = len([each for each in await system.journal(name) if each != "hold"])
    gate, holding = await hold(system, f"{here}_spare", name)
    sending = asyncio.create_task(
        system.tell(f"{here}_two", "send_many", {"to": name, "count": 50}, timeout=10)
    )
    await until(lambda: system.find(name)["mailbox_depth"] == 3)
    for _ in range(10):
        await system.ask(f"{here}_one", f"{there}_two")  # it delays nobody else
    assert not sending.done()
    assert system.find(name)["mailbox_depth"] == 3
    await system.open(there, gate)
    await holding
    assert await sending == "sent"
    await system.ask(f"{here}_two", name)
    numbers = [each for each in await system.journal(name) if each != "hold"]
    assert numbers[before:] == list(range(50))


@pytest.mark.promise(id="SEM-860")
async def test_a_broadcast_reaches_who_matches_in_every_process_the_sender_excepted(
    system: System, here: str, there: str
) -> None:
    sender, mark = f"{here}_two", new_id()
    order = {"pattern": "[rwv]_two", "payload": mark, "message_type": "note"}
    assert await system.tell(sender, "broadcast", order) == 2
    for letter in "rwv":
        name = f"{letter}_two"
        if name != sender:
            await system.wrote(name, mark)
    assert mark not in await system.journal(sender)


@pytest.mark.promise(id="SEM-860")
async def test_a_full_mailbox_elsewhere_does_not_stop_a_broadcast(
    system: System, here: str, there: str
) -> None:
    name, mark = f"{there}_small", new_id()
    gate, holding = await hold(system, f"{here}_spare", name)
    for _ in range(3):
        await system.tell(f"{here}_one", "send", {"to": name, "payload": 0, "message_type": "note"})
    order = {
        "pattern": f"{there}_[tws][!ph]*[loed]",
        "payload": mark,
        "message_type": "note",
        "timeout": 0.1,
    }
    assert await system.tell(f"{here}_one", "broadcast", order) == 2
    for each in (f"{there}_two", f"{there}_watched"):
        await system.wrote(each, mark)
    await system.open(there, gate)
    await holding
    assert mark not in await system.journal(name)


@pytest.mark.promise(id="SEM-861")
async def test_send_after_sends_to_another_process_unless_it_is_cancelled(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_one"
    later = (await system.journal(name)).count("later")
    await system.tell(f"{here}_one", "after_cancelled", name)
    await system.tell(f"{here}_one", "after", name)
    await system.wrote(name, "later", later + 1)
    assert "never" not in await system.journal(name)


async def downs(system: System, watcher: str, ref: str) -> list[Any]:
    journal = await system.journal(watcher)
    return [each for each in journal if isinstance(each, dict) and each["ref"] == ref]


async def told(system: System, watcher: str, ref: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while not (found := await downs(system, watcher, ref)):
            await asyncio.sleep(0.005)
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.promise(id="SEM-862")
async def test_a_monitor_tells_once_of_a_crash_elsewhere(
    system: System, here: str, there: str
) -> None:
    watcher, name = f"{here}_one", f"{there}_watched"
    for _ in range(10):
        ref = await system.tell(watcher, "monitor", name)
        await system.ask(f"{there}_two", name, None, "crash")
        down = await told(system, watcher, ref)
        assert (down["name"], down["reason"]) == (name, "crashed")
        assert "ValueError" in down["error"]
        await system.ask(watcher, name)
    await system.ask(f"{there}_two", name, None, "crash")
    await system.ask(watcher, name)
    assert len(await downs(system, watcher, ref)) == 1


@pytest.mark.promise(id="SEM-862")
async def test_a_monitor_tells_of_a_normal_end_elsewhere(
    system: System, here: str, there: str
) -> None:
    watcher, name = f"{here}_one", f"{there}_watched"
    ref = await system.tell(watcher, "monitor", name)
    await system.ask(f"{there}_two", name, None, "stop")
    assert (await told(system, watcher, ref))["reason"] == "normal"
    await system.ask(watcher, name)


@pytest.mark.promise(id="SEM-862")
async def test_a_monitor_tells_of_a_stop_elsewhere_and_then_of_nobody(
    system: System, here: str, there: str
) -> None:
    watcher, name = f"{here}_one", f"{there}_spare"
    ref = await system.tell(watcher, "monitor", name)
    await system.runtime.terminate_child("spare", name)
    assert (await told(system, watcher, ref))["reason"] == "shutdown"
    for nobody in (name, "nobody"):
        ref = await system.tell(watcher, "monitor", nobody)
        assert (await told(system, watcher, ref))["reason"] == "noproc"
    await system.runtime.restart_child("spare", name)


@pytest.mark.promise(id="SEM-862")
async def test_a_monitor_tells_of_a_kill_elsewhere(system: System, here: str, there: str) -> None:
    watcher, name = f"{here}_one", f"{there}_doomed"
    ref = await system.tell(watcher, "monitor", name)
    await system.runtime.terminate_child("spare", name)
    assert (await told(system, watcher, ref))["reason"] == "killed"
    await system.runtime.restart_child("spare", name)


@pytest.mark.promise(id="SEM-862")
async def test_a_monitor_that_was_ended_tells_nothing(
    system: System, here: str, there: str
) -> None:
    watcher, name = f"{here}_one", f"{there}_watched"
    ended = await system.tell(watcher, "monitor", name)
    kept = await system.tell(watcher, "monitor", name)
    await system.tell(watcher, "demonitor", ended)
    await system.ask(f"{there}_two", name, None, "crash")
    await told(system, watcher, kept)
    assert await downs(system, watcher, ended) == []


async def test_a_plain_def_handler_asks_another_process(
    system: System, here: str, there: str
) -> None:
    if here == "r":
        here, there = "w", "r"  # a thread of this process would outlive the test
    order = {"to": f"{there}_one", "payload": 7, "message_type": "echo"}
    thread, answer = await system.tell(f"{here}_thread", "message", order)
    assert thread.startswith("civitas-")
    assert answer == 7
