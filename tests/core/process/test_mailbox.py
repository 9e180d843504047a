"""The mailbox: bounded, fair, one reader."""

from __future__ import annotations

import asyncio

import pytest

from civitas.errors import AgentTerminated, ConfigurationError, MailboxFull
from civitas.message import Message
from civitas.process import Mailbox
from civitas.process.options import check_name, check_timeout


def numbered(n: int) -> Message:
    return Message(payload=n)


def drain(mailbox: Mailbox) -> list[int]:
    taken = []
    while (message := mailbox.take()) is not None:
        taken.append(message.payload)
    return taken


async def waiting_senders(mailbox: Mailbox, count: int) -> None:
    while mailbox.waiting < count:
        await asyncio.sleep(0)


async def test_a_full_mailbox_refuses_an_offer() -> None:
    mailbox = Mailbox("a", 2)
    assert [mailbox.offer(numbered(n)) for n in range(3)] == [True, True, False]


@pytest.mark.promise(id="SEM-105")
async def test_senders_that_wait_come_in_in_the_order_they_came() -> None:
    mailbox = Mailbox("a", 1)
    mailbox.offer(numbered(0))
    tasks = []
    for n in (1, 2, 3):
        tasks.append(asyncio.create_task(mailbox.put(numbered(n), None)))
        await waiting_senders(mailbox, n)
    assert drain(mailbox) == [0, 1, 2, 3]
    await asyncio.gather(*tasks)


@pytest.mark.promise(id="SEM-105")
async def test_an_offer_never_overtakes_a_sender_that_waits() -> None:
    mailbox = Mailbox("a", 2)
    mailbox.offer(numbered(0))
    mailbox.offer(numbered(1))
    waiter = asyncio.create_task(mailbox.put(numbered(2), None))
    await waiting_senders(mailbox, 1)
    mailbox.take()
    assert mailbox.offer(numbered(3)) is False
    assert drain(mailbox) == [1, 2]
    await waiter


@pytest.mark.promise(id="SEM-106")
async def test_a_sender_that_waited_too_long_gets_mailbox_full_and_its_message_is_not_taken() -> (
    None
):
    mailbox = Mailbox("a", 1)
    mailbox.offer(numbered(0))
    with pytest.raises(MailboxFull) as caught:
        await mailbox.put(numbered(1), 0.01)
    assert (caught.value.agent, caught.value.size, caught.value.timeout) == ("a", 1, 0.01)
    assert drain(mailbox) == [0]


async def test_a_sender_that_is_cancelled_leaves_no_message_behind() -> None:
    mailbox = Mailbox("a", 1)
    mailbox.offer(numbered(0))
    waiter = asyncio.create_task(mailbox.put(numbered(1), None))
    await waiting_senders(mailbox, 1)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert drain(mailbox) == [0]


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_sender_that_gives_up_leaves_the_line(how: str) -> None:
    mailbox = Mailbox("a", 1)
    mailbox.offer(numbered(0))
    waiter = asyncio.create_task(mailbox.put(numbered(1), 0.01 if how == "timeout" else None))
    await waiting_senders(mailbox, 1)
    if how == "cancel":
        waiter.cancel()
    await asyncio.wait({waiter})
    assert waiter.cancelled() or isinstance(waiter.exception(), MailboxFull)
    assert mailbox.waiting == 0


async def test_closing_refuses_what_comes_and_who_waits() -> None:
    mailbox = Mailbox("a", 1)
    mailbox.offer(numbered(0))
    waiter = asyncio.create_task(mailbox.put(numbered(1), None))
    await waiting_senders(mailbox, 1)
    left = mailbox.close(lambda: AgentTerminated("a"))
    assert [message.payload for message in left] == [0]
    with pytest.raises(AgentTerminated):
        await waiter
    with pytest.raises(AgentTerminated):
        mailbox.offer(numbered(2))
    mailbox.reopen()
    assert mailbox.offer(numbered(3))


async def test_the_reader_is_woken_by_a_message() -> None:
    mailbox = Mailbox("a", 1)
    reader = mailbox.readable(asyncio.get_running_loop())
    mailbox.offer(numbered(0))
    await reader


async def test_a_message_put_back_is_the_next_one() -> None:
    mailbox = Mailbox("a", 5)
    mailbox.offer(numbered(1))
    mailbox.put_back(numbered(0))
    assert drain(mailbox) == [0, 1]


@pytest.mark.parametrize("name", ["planner", "crew-2", "a.b:c@d", "agent_1", "größer"])
def test_a_name_that_can_be_an_address_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.promise(id="SEM-121")
@pytest.mark.parametrize(
    "name", ["", " a", "a b", "a/b", "a*", "x?", "a[1]", "\n", 7, None, "x" * 201]
)
def test_a_name_that_cannot_be_an_address_is_refused(name: object) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        check_name(name)


@pytest.mark.promise(id="SEM-213")
@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan"), float("inf"), 1e12])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(timeout: object) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        check_timeout(timeout)


async def test_one_that_takes_no_asks_gives_those_back_that_wait_and_takes_the_others() -> None:
    def ask(n: int) -> Message:
        return Message(payload=n, reply_to="root")

    mailbox = Mailbox("a", 3)
    for message in (numbered(0), ask(1), numbered(2)):
        assert mailbox.offer(message)
    in_line = [asyncio.create_task(mailbox.put(each, None)) for each in (ask(3), numbered(4))]
    await waiting_senders(mailbox, 2)
    taken = mailbox.take_asks(lambda: AgentTerminated("a"), later=True)
    assert [message.payload for message in taken] == [1]
    with pytest.raises(AgentTerminated):
        await in_line[0]
    await in_line[1]
    mailbox.check_open()
    with pytest.raises(AgentTerminated):
        mailbox.offer(ask(5))
    assert drain(mailbox) == [0, 2, 4]
    mailbox.push(numbered(6))
    mailbox.reopen()
    assert mailbox.offer(ask(7))
    assert drain(mailbox) == [6, 7]
