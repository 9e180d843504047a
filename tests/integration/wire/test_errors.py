"""What an ask can meet, where the asker and the asked stand in different OS processes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from civitas.message import new_id
from tests.integration.wire.conftest import (
    ROUTES,
    System,
    agent,
    everywhere,
    letter,
    topology,
    until,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize(("here", "there"), ROUTES),
]

TOPOLOGY = topology(
    *everywhere("other"),
    *everywhere("small", mailbox_size=1),
    *everywhere("cancels", cancel_on_timeout=True),
    *everywhere("slow", handle_timeout=0.05),
    *everywhere("skips", "Decider", action="skip"),
    *everywhere("retries", "Decider", action="retry", max_retries=2),
    *everywhere("stops", "Decider", action="stop"),
    {
        "supervisor": {
            "name": "spare",
            "max_restarts": 10_000,
            "children": [*everywhere("spare")],
        }
    },
    *(
        {
            "supervisor": {
                "name": f"{letter}_strict",
                "max_restarts": 0,
                "restart": "transient",
                "children": [
                    agent(f"{letter}_strict_one", process=at),
                    agent(f"{letter}_strict_two", process=at, shutdown_timeout=0),
                ],
            }
        }
        for letter, at in (("r", None), ("w", "worker"), ("v", "other"))
    ),
)


async def test_a_reply_names_the_agent(system: System, here: str, there: str) -> None:
    found = await system.ask(f"{here}_one", f"{there}_one", {"n": 1})
    assert found == {"type": "reply", "payload": {"n": 1}, "sender": f"{there}_one"}


@pytest.mark.promise(id="SEM-851")
async def test_an_agent_that_is_nowhere_is_unknown_at_once_with_the_closest_names(
    system: System, here: str, there: str
) -> None:
    found = await system.ask(f"{here}_one", f"{there}_onee")
    assert found["error"] == "UnknownAgent"
    assert f"{there}_one" in found["text"]
    assert found["seconds"] < 5


async def test_an_agent_that_was_added_a_moment_ago_is_known_everywhere(
    system: System, here: str, there: str
) -> None:
    from tests.integration.wire.agents import Hand

    for number in range(20):
        name = f"new-{here}{there}-{number}"
        await system.runtime.start_child("top", Hand(name))
        assert (await system.ask(f"{here}_one", name, number))["payload"] == number
        await system.runtime.terminate_child("top", name)
        await system.runtime.delete_child("top", name)


@pytest.mark.promise(id="SEM-851")
async def test_no_answer_in_time_is_a_timeout_and_the_late_reply_a_dead_letter(
    system: System, here: str, there: str
) -> None:
    letters = system.told("dead_letter")
    gate, held = new_id(), (await system.journal(f"{there}_one")).count("hold")
    asking = asyncio.create_task(
        system.ask(f"{here}_one", f"{there}_one", gate, "hold", timeout=0.5)
    )
    await system.wrote(f"{there}_one", "hold", held + 1)
    found = await asking
    assert found["error"] == "AskTimeout"
    assert f"{there}_one" in found["text"]
    assert "'hold'" in found["text"]
    again = asyncio.create_task(system.ask(f"{here}_one", f"{there}_one", "next"))
    await system.open(there, gate)
    assert (await again)["payload"] == "next"
    late = await letter(letters, "late_reply")
    assert late.node == {"r": "root", "w": "worker"}[here]


@pytest.mark.promise(id="SEM-851")
async def test_a_handler_that_raised_is_told_at_once_with_its_traceback(
    system: System, here: str, there: str
) -> None:
    found = await system.ask(f"{here}_one", f"{there}_one", None, "crash")
    assert found["error"] == "HandlerFailed"
    facts = found["facts"]
    assert facts["agent"] == f"{there}_one"
    assert facts["error_type"] == "ValueError"
    assert facts["error_message"] == f"{there}_one crashes"
    assert "in do_crash" in found["traceback"]
    assert found["seconds"] < 5


@pytest.mark.promise(id="SEM-851")
async def test_asks_in_the_mailbox_of_an_agent_that_crashed_get_its_error(
    system: System, here: str, there: str
) -> None:
    gate, name = new_id(), f"{there}_one"
    holding = len(await system.journal(name)) + 1
    first = asyncio.create_task(system.ask(f"{here}_one", name, gate, "hold_crash"))
    async with asyncio.timeout(5):
        while len(await system.journal(name)) < holding:
            await asyncio.sleep(0.005)
    others = [
        asyncio.create_task(system.ask(f"{here}_{each}", name, None, "echo"))
        for each in ("other", "small", "cancels")
    ]
    await until(lambda: system.find(name)["mailbox_depth"] == 3)
    await system.open(there, gate)
    for asking in (first, *others):
        found = await asking
        assert (found["error"], found["facts"]["error_type"]) == ("HandlerFailed", "ValueError")


@pytest.mark.promise(id="SEM-851")
async def test_a_handler_that_returns_none_is_no_reply(
    system: System, here: str, there: str
) -> None:
    found = await system.ask(f"{here}_one", f"{there}_one", None, "none")
    assert found["error"] == "NoReply"


@pytest.mark.promise(id="SEM-851")
async def test_who_was_stopped_refuses_with_agent_terminated(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_spare"
    gate = new_id()
    waiting = asyncio.create_task(system.ask(f"{here}_one", name, gate, "hold"))
    await system.wrote(name, "hold", (await system.journal(name)).count("hold") + 1)
    queued = asyncio.create_task(system.ask(f"{here}_other", name, "queued"))
    await until(lambda: system.find(name)["mailbox_depth"] == 1)
    ending = asyncio.create_task(system.runtime.terminate_child("spare", name))
    await until(lambda: system.find(name)["status"] == "stopping")
    await system.open(there, gate)
    assert (await waiting)["payload"] == "let go"  # it finishes what it has in hand
    await ending
    assert (await queued)["error"] == "AgentTerminated"
    later = await system.ask(f"{here}_one", name)
    assert later["error"] == "AgentTerminated"
    assert later["seconds"] < 5
    sent = await system.tell(f"{here}_one", "send", {"to": name, "payload": 1})
    assert sent["error"] == "AgentTerminated"
    await system.runtime.restart_child("spare", name)
    assert (await system.ask(f"{here}_one", name, "back"))["payload"] == "back"


@pytest.mark.promise(id="SEM-851")
async def test_whose_supervisor_gave_up_refuses_with_agent_terminated(
    system: System, here: str, there: str
) -> None:
    waiting = asyncio.create_task(
        system.ask(f"{here}_one", f"{there}_strict_two", new_id(), "hold")
    )
    await system.wrote(f"{there}_strict_two", "hold")
    await system.ask(f"{here}_other", f"{there}_strict_one", None, "crash")
    assert (await waiting)["error"] == "AgentTerminated"
    for name in (f"{there}_strict_one", f"{there}_strict_two"):
        later = await system.ask(f"{here}_one", name)
        assert (later["error"], later["seconds"] < 5) == ("AgentTerminated", True)


@pytest.mark.promise(id="SEM-851")
async def test_a_mailbox_that_stays_full_is_mailbox_full(
    system: System, here: str, there: str
) -> None:
    name, gate = f"{there}_small", new_id()
    held = (await system.journal(name)).count("hold")
    waiting = asyncio.create_task(system.ask(f"{here}_one", name, gate, "hold"))
    await system.wrote(name, "hold", held + 1)
    order = {"to": name, "payload": "taken", "message_type": "note", "timeout": 0.05}
    assert await system.tell(f"{here}_other", "send", {**order, "timeout": 5}) == {"sent": True}
    for what in ("send", "ask"):
        found = await system.tell(f"{here}_other", what, {**order, "message_type": "echo"})
        assert found["error"] == "MailboxFull"
    await system.open(there, gate)
    await waiting
    assert (await system.ask(f"{here}_one", name, "room again"))["payload"] == "room again"
    assert (await system.journal(name)).count("taken") >= 1


@pytest.mark.promise(id="SEM-851")
async def test_what_cannot_be_sent_is_a_payload_error_at_the_sender(
    system: System, here: str, there: str
) -> None:
    found = await system.tell(f"{here}_one", "send_bad", f"{there}_one")
    assert found["error"] == "PayloadError"
    assert "payload.items[2]: object" in found["text"]


async def test_a_reply_that_cannot_be_sent_is_a_failure_of_its_handler(
    system: System, here: str, there: str
) -> None:
    found = await system.ask(f"{here}_one", f"{there}_one", None, "bad_reply")
    assert (found["error"], found["facts"]["error_type"]) == ("HandlerFailed", "PayloadError")


@pytest.mark.promise(id="SEM-852")
async def test_what_a_handler_asks_cannot_outlive_the_ask_it_answers(
    system: System, here: str, there: str
) -> None:
    began = time.time()
    order = {"to": f"{there}_one", "payload": None, "message_type": "envelope", "timeout": None}
    found = await system.tell(f"{here}_one", "ask", order, timeout=3)
    assert began + 2.9 < found["payload"]["deadline"] < time.time() + 3


async def test_only_an_ask_sets_a_deadline(system: System, here: str, there: str) -> None:
    order = {"to": f"{there}_one", "payload": None, "message_type": "envelope", "timeout": None}
    found = await system.tell(f"{here}_one", "ask", order, timeout=None)
    assert found["payload"]["deadline"] is None


@pytest.mark.promise(id="SEM-852")
async def test_a_message_whose_deadline_passed_in_the_mailbox_is_a_dead_letter(
    system: System, here: str, there: str
) -> None:
    letters = system.told("dead_letter")
    name, gate = f"{there}_one", new_id()
    held = (await system.journal(name)).count("hold")
    waiting = asyncio.create_task(system.ask(f"{here}_one", name, gate, "hold"))
    await system.wrote(name, "hold", held + 1)
    found = await system.ask(f"{here}_other", name, "late", "note", timeout=0.05)
    assert found["error"] == "AskTimeout"
    await system.open(there, gate)
    await waiting
    expired = await letter(letters, "expired")
    assert expired.node == {"r": "root", "w": "worker", "v": "other"}[there]
    assert "late" not in await system.journal(name)


@pytest.mark.promise(id="SEM-853")
async def test_with_cancel_on_timeout_the_handler_of_an_asker_that_is_gone_is_cancelled(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_cancels"
    cancelled = (await system.journal(name)).count("cancelled")
    found = await system.ask(f"{here}_one", name, new_id(), "hold", timeout=0.5)
    assert found["error"] == "AskTimeout"
    await system.wrote(name, "cancelled", cancelled + 1)
    assert (await system.ask(f"{here}_one", name, "lives"))["payload"] == "lives"


@pytest.mark.promise(id="SEM-853")
async def test_with_cancel_on_timeout_an_ask_that_waits_is_withdrawn(
    system: System, here: str, there: str
) -> None:
    name, gate = f"{there}_cancels", new_id()
    held = (await system.journal(name)).count("hold")
    waiting = asyncio.create_task(system.ask(f"{here}_one", name, gate, "hold"))
    await system.wrote(name, "hold", held + 1)
    letters = system.told("dead_letter")
    await system.ask(f"{here}_other", name, "withdrawn", "note", timeout=0.05)
    await letter(letters, "expired")
    await system.open(there, gate)
    await waiting
    assert "withdrawn" not in await system.journal(name)


async def test_a_handle_timeout_is_a_failure_of_the_handler(
    system: System, here: str, there: str
) -> None:
    found = await system.ask(f"{here}_one", f"{there}_slow", new_id(), "hold")
    assert (found["error"], found["facts"]["error_type"]) == ("HandlerFailed", "TimeoutError")


@pytest.mark.promise(id="SEM-854")
async def test_retry_tries_in_place_and_then_escalates(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_retries"
    before = len(await system.journal(name))
    found = await system.ask(f"{here}_one", name, None, "crash")
    assert found["error"] == "HandlerFailed"
    journal: list[Any] = (await system.journal(name))[before:]
    assert journal == [["attempt", 0], ["attempt", 1], ["attempt", 2]]


@pytest.mark.promise(id="SEM-854")
async def test_skip_tells_the_asker_and_keeps_the_process(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_skips"
    found = await system.ask(f"{here}_one", name, None, "crash")
    assert found["error"] == "HandlerFailed"
    assert system.find(name)["restarts"] == 0
    assert (await system.ask(f"{here}_one", name, 1))["payload"] == 1


@pytest.mark.promise(id="SEM-854")
async def test_stop_ends_a_permanent_agent_which_is_started_again(
    system: System, here: str, there: str
) -> None:
    name = f"{there}_stops"
    restarts = system.find(name)["restarts"]
    found = await system.ask(f"{here}_one", name, None, "crash")
    assert found["error"] == "HandlerFailed"
    assert (await system.ask(f"{here}_one", name, 1))["payload"] == 1
    await until(lambda: system.find(name)["restarts"] == restarts + 1)


async def test_a_message_arrives_with_its_envelope(system: System, here: str, there: str) -> None:
    found = await system.ask(
        f"{here}_one", f"{there}_one", None, "envelope", conversation="c-1", headers={"tenant": "t"}
    )
    envelope = found["payload"]
    assert envelope["sender"] == f"{here}_one"
    assert envelope["recipient"] == f"{there}_one"
    assert envelope["conversation"] == "c-1"
    assert envelope["headers"]["tenant"] == "t"
    assert envelope["attempt"] == 0
