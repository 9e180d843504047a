"""Entries of agents elsewhere: what bounds their senders, and who must have a message before it counts as taken."""

from __future__ import annotations

import asyncio

import pytest

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.holding import HeldEntry
from civitas.cluster.letters.outbox import Outbox
from civitas.errors import AgentTerminated, MailboxFull, PayloadError
from civitas.message import Message
from civitas.process import Mailbox


class Nowhere:
    """A way that leads nowhere."""

    def post(self, each: Elsewhere, message: Message) -> None: ...

    def withdrawn(self, each: Elsewhere, message: Message, reader_left: bool) -> None: ...

    def idle(self, each: Elsewhere) -> None: ...

    def check(self, message: Message) -> None: ...

    def holder_for(self, facts: Facts) -> None: ...

    def kept_entry(self, each: object) -> None: ...

    def accepting_entry(self, each: object) -> None: ...


class Keeper:
    """A holder that has what it was handed when the test says so."""

    def __init__(self) -> None:
        self.has: dict[str, asyncio.Future[None]] = {}

    def hold(self, message: Message) -> asyncio.Future[None]:
        has_it = self.has[message.id] = asyncio.get_running_loop().create_future()
        return has_it

    def release(self, message: Message) -> None:
        del self.has[message.id]


def outbox(size: int) -> Outbox:
    return Outbox("a", size, lambda message: None, lambda message: None)


async def full(entry: Outbox | Mailbox, timeout: float | None = 0.001) -> MailboxFull:
    with pytest.raises(MailboxFull) as caught:
        await entry.put(Message(payload=1), timeout)
    return caught.value


async def waiting(entry: Outbox | Mailbox) -> asyncio.Task[None]:
    """A sender that stands in line."""
    before = entry.waiting
    task = asyncio.create_task(entry.put(Message(payload=1), None))
    while entry.waiting == before:
        await asyncio.sleep(0)
    return task


async def test_a_full_outbox_says_how_many_messages_the_mailbox_there_holds() -> None:
    box = outbox(2)
    while box.offer(Message(payload=0)):
        pass
    assert (await full(box)).size == 2


@pytest.mark.promise(id="SEM-529")
async def test_a_conversation_that_a_pool_elsewhere_has_no_place_for_says_so() -> None:
    """As that of a pool here does; no mailbox of it is full."""
    facts = Facts("support", "w", "boot", kind="conversation_pool", size=1, max_live=1)
    pool = ElsewherePool(facts, Nowhere())
    for conversation in ("a", "b"):
        assert pool.cell(conversation, "").entry.offer(Message(payload=0))
    there = await full(pool.cell("c", "").outbox)
    here = Mailbox("support/c", 1)
    here.hold()
    assert str(there) == str(await full(here))
    assert "the pool of 'support/c' had no room" in str(there)
    assert there.size is None


@pytest.mark.promise(id="SEM-529")
async def test_a_conversation_that_waited_for_its_place_says_its_size_when_it_has_one() -> None:
    mailbox = Mailbox("support/c", 1)
    mailbox.hold()
    first = await waiting(mailbox)
    mailbox.let_in()
    await first
    assert (await full(mailbox)).size == 1


async def test_an_outbox_is_drained_when_the_last_sender_that_waited_gives_up() -> None:
    box = outbox(1)
    box.hold()
    sending = await waiting(box)
    draining = asyncio.create_task(box.drained())
    await asyncio.sleep(0)
    assert not draining.done()
    sending.cancel()
    await draining


async def test_a_message_that_is_given_up_makes_room_for_the_sender_that_waits() -> None:
    box = outbox(1)
    in_hand = Message(payload=0)
    box.offer(in_hand)
    box.offer(Message(payload=1))
    sending = await waiting(box)
    box.lost()
    assert box.given(in_hand.id, 1, 1) is in_hand
    await sending


async def test_what_nobody_waits_for_is_taken_when_the_holder_has_it() -> None:
    keeper, mailbox, message = Keeper(), Mailbox("a", 1), Message(payload=1)
    entry = HeldEntry(mailbox, keeper)
    assert not entry.offer(message)
    sending = asyncio.create_task(entry.put(message, None))
    while not len(mailbox):
        await asyncio.sleep(0)
    assert not sending.done()
    keeper.has[message.id].set_result(None)
    await sending


async def test_what_is_asked_need_not_be_held() -> None:
    entry = HeldEntry(Mailbox("a", 1), Keeper())
    assert entry.offer(Message(payload=1, reply_to="root"))


@pytest.mark.parametrize("why", ["full", "closed"])
async def test_the_holder_may_forget_what_was_not_taken(why: str) -> None:
    keeper, mailbox = Keeper(), Mailbox("a", 1)
    mailbox.offer(Message(payload=0))
    if why == "closed":
        mailbox.close(lambda: AgentTerminated("a"))
    with pytest.raises(AgentTerminated if why == "closed" else MailboxFull):
        await HeldEntry(mailbox, keeper).put(Message(payload=1), 0.001)
    assert not keeper.has


async def test_what_is_held_for_a_process_that_dies_goes_to_the_next() -> None:
    """While that one lived it had the message already: nothing is sent there twice."""
    posted: list[Message] = []
    box = Outbox("a", 2, posted.append, lambda message: None)
    held, other = Message(payload=1), Message(payload=2)
    box.open_way()
    box.hold_for(held)
    assert box.offer(other)
    assert posted == [other]
    box.close_way()
    box.open_way()
    assert posted == [other, other]
    box.lost()
    box.open_way()
    assert posted[2:] == [held, other]


async def test_who_waits_comes_in_one_for_each_message_that_is_finished() -> None:
    box = outbox(1)
    first = Message(payload=0)
    assert box.offer(first)
    assert box.offer(Message(payload=1))  # that in hand, and one in the mailbox
    assert not box.offer(Message(payload=2))
    one, other = await waiting(box), await waiting(box)
    assert box.settled(first.id)
    await one
    assert (len(box), box.waiting) == (2, 1)
    other.cancel()
    await asyncio.wait({other})


async def test_nobody_overtakes_who_waits_although_there_is_room_by_now() -> None:
    box = outbox(1)
    while box.offer(Message(payload=0)):
        pass
    one = await waiting(box)
    box.size = 5  # another incarnation has a larger mailbox
    assert not box.offer(Message(payload=1))
    one.cancel()
    await asyncio.wait({one})


async def test_a_finished_message_that_was_pushed_leaves_no_room_behind() -> None:
    box = outbox(1)
    pushed = Message(payload="signal")
    box.push(pushed)
    box.settled(pushed.id)
    assert [box.offer(Message(payload=n)) for n in range(3)] == [True, True, False]


async def test_deaths_with_a_message_in_hand_are_added_up_until_it_is_finished() -> None:
    box = outbox(1)
    message = Message(payload=0)
    box.offer(message)
    assert box.given(message.id, 1, 4) is None
    assert box.given(message.id, 2, 4) is None
    found = box.find(message.id)
    assert found is not None
    assert (box.times_given, found.attempt) == ({message.id: 3}, 3)
    box.settled(message.id)
    assert box.times_given == {}


@pytest.mark.parametrize("way", ["open", "closed"])
async def test_an_outbox_that_closes_refuses_who_waits_and_returns_what_was_not_sent(
    way: str,
) -> None:
    box = outbox(1)
    if way == "open":
        box.open_way()
    messages = [Message(payload=n) for n in range(2)]
    assert all(box.offer(each) for each in messages)
    one = await waiting(box)
    left = box.close(lambda: AgentTerminated("a"))
    assert left == ([] if way == "open" else messages)
    with pytest.raises(AgentTerminated):
        await one


async def test_an_outbox_is_emptied_with_what_its_senders_wait_to_put() -> None:
    box = outbox(1)
    box.hold()
    one = await waiting(box)
    assert [each.payload for each in box.emptied()] == [1]
    await one


def test_a_signal_that_no_frame_can_carry_is_refused_and_not_kept() -> None:
    def check(message: Message) -> None:
        raise PayloadError("message", "too large")

    box = Outbox("a", 1, lambda message: None, check)
    with pytest.raises(PayloadError):
        box.push(Message(payload="signal"))
    assert not len(box)
