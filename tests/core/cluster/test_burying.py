"""Dead letters of agents whose messages the broker keeps."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from civitas.cluster.durable.burying import Burying
from civitas.cluster.durable.entries import KeptEntry
from civitas.cluster.durable.finishing import Finishing
from civitas.errors import ConfigurationError
from civitas.events import DeadLetterReason as Reason
from civitas.message import Message, Serializer
from civitas.node import Registry
from civitas.node.dead.letters import message_of, replayed


class Box:
    """Keeps dead letters, after it has refused as often as it is told to."""

    def __init__(self, refuses=0):
        self.kept = []
        self.refuses = refuses

    async def keep(self, letter):
        if self.refuses:
            self.refuses -= 1
            raise ConfigurationError("the storage is full")
        self.kept.append(letter)

    async def close(self):
        pass


@pytest.fixture
def registry():
    registry = Registry()
    nobody: Any = None
    entry = KeptEntry(nobody, nobody, "1000.sure", "", 1000)
    cells: Any = registry
    cells["sure"] = SimpleNamespace(entry=entry)
    cells["plain"] = SimpleNamespace(entry=object())
    return registry


def burying(registry, box):
    found = Burying(Serializer.MSGPACK, registry, {})
    found.open(box)
    return found


async def nothing(letter): ...


def held(message, reason=None) -> Any:
    """What was read from a mailbox and is finished now."""
    return SimpleNamespace(
        dead=None if reason is None else (message, reason),
        origin=SimpleNamespace(was_told=False),
        confirmed=None,
        letter=message.id,
        forgotten=lambda: None,
    )


@pytest.mark.promise(id="SEM-1511")
async def test_a_mailbox_forgets_a_dead_letter_only_when_that_is_kept(registry):
    may, out = asyncio.Event(), []
    box = Box()

    async def bury(message, reason):
        await may.wait()
        await burying(registry, box).keep(message, reason)

    finishing = Finishing(Mock(), bury)
    dead, done = Message(recipient="sure", id="dead"), Message(recipient="sure", id="done")
    for each in (held(dead, Reason.EXPIRED), held(done)):
        finishing.add(each, out.append, nothing)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert out == ["done"]
    may.set()
    await finishing.done()
    assert out == ["done", "dead"]
    assert [(each.agent, each.reason) for each in box.kept] == [("sure", "expired")]
    await finishing.close()


@pytest.mark.promise(id="SEM-1511")
async def test_what_the_broker_does_not_take_is_put_until_it_does(registry, monkeypatch, caplog):
    monkeypatch.setattr("civitas.cluster.durable.burying._FIRST_PAUSE", 0.001)
    box = Box(refuses=3)
    await burying(registry, box).keep(Message(recipient="sure", id="x"), Reason.CRASHED)
    assert [message_of(each).id for each in box.kept] == ["x"]
    assert caplog.text.count("a dead letter of 'sure' is not kept yet: the storage is full") == 3


REPLY: dict[str, Any] = {"sender": "sure", "recipient": "", "correlation_id": "c"}


@pytest.mark.promise(id="SEM-1511")
@pytest.mark.parametrize(
    ("message", "reason", "kept"),
    [
        (REPLY, Reason.LATE_REPLY, ["sure"]),
        (REPLY | {"sender": "plain"}, Reason.LATE_REPLY, []),
        ({"recipient": "sure"}, Reason.TERMINATED, ["sure"]),
        ({"recipient": "plain"}, Reason.TERMINATED, []),
        ({"recipient": "nobody"}, Reason.UNKNOWN, []),
        ({"recipient": "sure", "type": "civitas.down"}, Reason.TERMINATED, []),
        (REPLY | {"recipient": "sure"}, Reason.NO_READER, []),
    ],
)
async def test_what_was_in_no_mailbox_is_kept_if_it_is_of_such_an_agent(
    registry, message, reason, kept
):
    box = Box()
    some = burying(registry, box)
    some.lost(Message(**message), reason)
    await some.close()
    assert [each.agent for each in box.kept] == kept


@pytest.mark.promise(id="SEM-1512")
async def test_a_replayed_message_is_the_same_but_for_who_waits_for_it(registry):
    box = Box()
    some = burying(registry, box)
    given: dict[str, Any] = {
        "payload": [1],
        "id": "x",
        "sender": "a",
        "conversation": "c",
        "attempt": 2,
    }
    message = Message(recipient="sure", deadline=1.0, headers={"k": "v"}, **given)
    await some.keep(message, Reason.MAX_DELIVERIES)
    again = replayed(box.kept[0])
    assert (again.id, again.payload, again.conversation) == ("x", [1], "c")
    assert (again.deadline, again.reply_to, again.attempt) == (None, None, 3)
    assert again.headers == {"k": "v", "civitas-replay": "1"}
    await some.keep(again, Reason.EXPIRED)
    assert box.kept[0].id != box.kept[1].id
    last = replayed(box.kept[1])
    assert (last.attempt, last.headers["civitas-replay"]) == (3, "2")


async def test_a_reply_cannot_be_replayed(registry):
    box = Box()
    await burying(registry, box).keep(Message(**REPLY), Reason.LATE_REPLY)
    with pytest.raises(ConfigurationError, match="nobody waits for it"):
        replayed(box.kept[0])
