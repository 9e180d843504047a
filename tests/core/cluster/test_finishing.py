"""When the broker is told that a message of its mailbox was handled."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from civitas.cluster.calls import Calls
from civitas.cluster.desk import Desk
from civitas.cluster.door import Door
from civitas.cluster.durable.durable import Durable
from civitas.cluster.durable.finishing import Finishing
from civitas.cluster.durable.lanes import Settled
from civitas.cluster.durable.parcels import pack
from civitas.cluster.facts import Facts
from civitas.cluster.frames import Kind
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.peers import Peer, Peers
from civitas.errors import NodeDown
from civitas.message import Message, Serializer
from civitas.transport.mailboxes import Letter


class Mailbox:
    """Of a broker, with one letter, and what it was told of it."""

    largest = 100_000
    dead_letters = on_up = None

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        self.finished: list[Letter] = []

    async def open(self, patience: float | None) -> None: ...

    async def read(self, address: str, take: Any, lost: Any) -> Mailbox:
        self.renew = lambda: take(self.letter)
        return self

    def want(self, count: int) -> None: ...

    def finish(self, letter: Letter) -> None:
        self.finished.append(letter)

    async def close(self) -> None: ...


class Near:
    """A link to the door of another node, which has a frame in the next turn of the loop."""

    def __init__(self, doors: dict[str, Door], name: str) -> None:
        self.doors, self.name = doors, name

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        asyncio.get_running_loop().call_soon(self.doors[self.name].receive, frame)

    def close(self) -> None: ...

    async def flushed(self) -> None:
        await asyncio.sleep(0)


class Two:
    """A node that asks, and one that reads the mailbox of the agent that is asked."""

    def __init__(self) -> None:
        doors: dict[str, Door] = {}
        self.awaited = {"ask"}
        self.asker, reader = Peers(), Peers()
        self.asker.met(Peer("reader", "r", "", Near(doors, "reader"), "a"))
        reader.met(Peer("asker", "a", "", Near(doors, "asker"), "r"))
        self.calls = Calls()

        async def awaits(peer: Peer, message_id: str) -> bool:
            return message_id in self.awaited

        desk = Desk("asker", Calls(), {"awaits": awaits}, {})
        takes: dict[Kind, Any] = {
            Kind.CALL: desk.called,
            Kind.ANSWER: lambda _, id, raw: self.awaited.remove(id),
        }
        doors["asker"] = Door("asker", self.asker, takes, {}, Mock(), Mock())
        takes = {Kind.RETURN: self.calls.returned}
        doors["reader"] = Door("reader", reader, takes, {}, Mock(), Mock())
        asked = Message(recipient="far", id="ask", reply_to="me")
        body = pack(asked, Serializer.MSGPACK, "a", 1, 0, "me")
        self.mailbox = Mailbox(Letter(1, body, 0, None))
        self.origins: list[FromPeer] = []
        self.reader = reader
        self.durable = Durable(
            Mock(foreign={}),
            Mock(),
            lambda: self.mailbox,  # type: ignore[arg-type,return-value]
            lambda: "r",
            Serializer.MSGPACK,
            peers=reader,
            calls=self.calls,
            back=Back(Serializer.MSGPACK, Mock()),
            cycles=Mock(),
            asker_of=Mock(),
            hand_on=lambda origin, cell, times: self.origins.append(origin),
            renewal=Mock(),
            introduce=Mock(),
        )

    async def handle(self) -> None:
        """Read what is in the mailbox, answer it, and be finished with it."""
        far = Elsewhere(Facts("far", "reader"), Mock())
        options: dict[str, Any] = {"given": {}, "finished": {}}
        await self.durable.read("far", "9.far", lambda _: far, size=9, max_deliveries=3, **options)
        (origin,) = self.origins
        assert origin.answered(Message(correlation_id="ask"))
        origin.settled()
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def two(monkeypatch):
    monkeypatch.setattr("civitas.cluster.durable.durable._LAST_WORDS", 0.0)
    nodes = Two()
    yield nodes
    await nodes.durable.close()


@pytest.mark.promise(id="SEM-1556")
async def test_a_message_leaves_its_mailbox_when_the_node_that_asked_has_the_answer(two):
    await two.handle()
    assert (two.awaited, two.mailbox.finished) == (set(), [two.mailbox.letter])


@pytest.mark.promise(id="SEM-1556")
async def test_a_message_stays_in_its_mailbox_where_the_node_that_asked_drops_the_answer(two):
    two.asker.gone("r", "the root has given it up")
    await two.handle()
    assert (two.awaited, two.mailbox.finished) == ({"ask"}, [])


async def test_a_message_leaves_its_mailbox_when_the_node_that_asked_is_gone(two):
    two.asker.gone("r", "it ended")
    await two.handle()
    two.calls.lost(two.reader["a"], "it ended")
    for _ in range(20):
        await asyncio.sleep(0)
    assert two.mailbox.finished == [two.mailbox.letter]


async def test_nothing_is_noted_any_more_after_the_end(monkeypatch):
    monkeypatch.setattr("civitas.cluster.durable.finishing._SENT", 0.0)
    noted: list[Any] = []
    finishing = Finishing(AsyncMock())
    done = Mock(dead=None, confirmed=None, forgotten=lambda: noted.append("forgotten"))
    done.origin.was_told = False
    finishing.add(done, noted.append, AsyncMock())
    await finishing.done()
    await finishing.close()
    finishing.add(done, noted.append, AsyncMock())
    await asyncio.sleep(0.01)
    assert noted == [done.letter]


async def test_who_put_something_into_a_mailbox_is_not_taken_for_gone_by_a_node_that_ends(two):
    two.durable._introduce = AsyncMock(side_effect=NodeDown("root", "root", "this process ends"))
    with pytest.raises(NodeDown):
        await two.durable.meet("stranger")
    assert not two.durable.knows("stranger")


@pytest.mark.promise(id="SEM-1814")
async def test_nobody_is_asked_what_a_root_put_into_a_mailbox_before_it_passed_on(two):
    two.reader.inherits(["before"], two.reader["a"])
    assert await two.durable.settled(("before", ""), "9.far", 3) == Settled(is_all=True)
