"""Taking messages out of a mailbox: in any order, whatever else happens to it, and without a search for each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.cluster.letters.outbox import Outbox
from civitas.message import Message
from civitas.process import Mailbox

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "push", "take", "put_back", "withdraw", "withdraw", "clear"]),
        st.integers(0, 200),
    ),
    max_size=400,
)


@given(OPERATIONS, st.integers(1, 100))
def test_a_mailbox_is_a_list_whatever_is_withdrawn(operations, size) -> None:
    mailbox, model = Mailbox("a", size), list[Message]()
    taken: list[Message] = []
    for what, which in operations:
        match what:
            case "offer":
                message = Message(payload=which)
                assert mailbox.offer(message) == (len(model) < size)
                model += [message] * (len(model) < size)
            case "push":
                message = Message(payload=which)
                mailbox.push(message)
                model.append(message)
            case "take":
                first = mailbox.take()
                assert first is (model.pop(0) if model else None)
                taken += [first] if first else []
            case "put_back" if taken:
                mailbox.put_back(taken[-1])
                model.insert(0, taken.pop())
            case "withdraw" if model:
                gone = model.pop(which % len(model))
                assert mailbox.withdraw(gone)
                assert not mailbox.withdraw(gone)
            case "clear":
                assert mailbox.clear() == model
                model.clear()
        assert len(mailbox) == len(model)
    assert mailbox.clear() == model


@given(OPERATIONS, st.integers(1, 100))
def test_an_outbox_is_a_list_whatever_is_withdrawn_and_settled(operations, size) -> None:
    posted: list[Message] = []
    outbox = Outbox("a", size, posted.append, lambda message: None)
    outbox.open_way()
    model: list[Message] = []
    pushed: set[str] = set()
    for what, which in operations:
        match what:
            case "offer" | "put_back":
                message = Message(payload=which)
                room = sum(each.id not in pushed for each in model) <= size
                assert outbox.offer(message) == room
                model += [message] * room
            case "push":
                message = Message(payload=which)
                outbox.push(message)
                pushed.add(message.id)
                model.append(message)
            case "take" if model:
                outbox.settled(model.pop(which % len(model) if which % 3 else 0).id)
            case "withdraw" if model:
                gone = model.pop(which % len(model))
                assert outbox.withdraw(gone)
                assert not outbox.withdraw(gone)
            case "clear":
                assert outbox.clear() == model
                model.clear()
        assert len(outbox) == len(model)
        assert outbox.idle == (not model)
    outbox.open_way()
    assert posted[len(posted) - len(model) :] == model


class Counted(str):
    """An id that counts how often it is compared or hashed."""

    looked = 0
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        Counted.looked += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        Counted.looked += 1
        return str.__hash__(self)


@pytest.mark.parametrize("order", ["forwards", "backwards", "at random"])
def test_what_withdrawing_one_costs_does_not_grow_with_those_that_wait(order: str) -> None:
    mailbox = Mailbox("a", 10_000)
    messages = [Message(id=Counted(f"m{n}")) for n in range(5_000)]
    for message in messages:
        mailbox.offer(message)
    if order == "backwards":
        messages.reverse()
    elif order == "at random":
        random.shuffle(messages)
    Counted.looked = 0
    for message in messages:
        assert mailbox.withdraw(message)
    assert Counted.looked < 20 * len(messages)
    assert mailbox.take() is None
