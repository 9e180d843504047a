"""What is read from a mailbox of a broker, for the agent that it is of."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from civitas.cluster.durable.finishing import Finishing
from civitas.cluster.durable.parcels import pack
from civitas.cluster.durable.reader import MailboxReader
from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.peers import Peers
from civitas.errors import NodeDown
from civitas.message import Message, Serializer
from civitas.transport.mailboxes import Letter
from tests.core.cluster.parts import a_peer


@pytest.mark.promise(id="SEM-1453")
async def test_an_agent_that_is_no_pool_has_one_line_for_the_conversations_of_its_sender():
    asked, handed = [], []
    way: Any = Mock()
    each = Elsewhere(Facts("a", "here"), way)

    async def settled(line, address, number):
        asked.append(line)

    holdings: Any = SimpleNamespace(
        peers=Peers(),
        unread_at_end=SimpleNamespace(passes_on=False),
        gone=a_peer()[0],
        back=SimpleNamespace(deliveries=None),
        receivers=SimpleNamespace(foreign={}),
        settled=settled,
        knows=lambda boot: True,
        hand_on=lambda origin, cell, times: handed.append(origin.message.conversation),
    )
    reader = MailboxReader("a", "9.a", lambda message: each, 3, 9, holdings, Finishing(Mock()))
    for n, conversation in enumerate(["x", "y", "x"], 1):
        message = Message(recipient="a", conversation=conversation)
        reader._take(Letter(n, pack(message, Serializer.MSGPACK, "b", n, n - 1, None), 0, None))
    await asyncio.sleep(0)
    await reader.close()
    assert (handed, asked) == (["x", "y", "x"], [])


async def test_what_comes_from_a_stranger_stays_in_the_mailbox_of_a_node_that_ends_and_so_does_what_follows():
    handed: list[Any] = []
    known = {"friend"}

    async def meet(boot):
        raise NodeDown("root", "root", "this process ends")

    holdings: Any = SimpleNamespace(
        knows=known.__contains__, meet=meet, hand_on=lambda *what: handed.append(what)
    )
    reader = MailboxReader("a", "9.a", Mock(), 3, 9, holdings, Finishing(Mock()))
    for n, boot in enumerate(["stranger", "friend"], 1):
        body = pack(Message(recipient="a"), Serializer.MSGPACK, boot, 1, 0, None)
        reader._take(Letter(n, body, 0, None))
        await asyncio.sleep(0)
    assert handed == []
    assert not reader.idle
    await reader.close()


@pytest.mark.promise(id="SEM-1466")
@pytest.mark.parametrize(("size", "ahead"), [(10, 10), (40_000, 5), (1_000_000, 1)])
async def test_so_much_is_read_ahead_that_it_fits_and_finished_ones_make_room_again(size, ahead):
    """With room for ten messages, of which large ones count more than once."""
    there, out = deque(range(1, 51)), deque()
    reader: Any = MailboxReader("a", "9.a", Mock(), 3, 10, Mock(), Finishing(Mock()))
    wanted = []
    reader.reading = SimpleNamespace(want=wanted.append, finish=lambda letter: None)
    reader._sort = lambda letter, kept: out.append(letter)
    body = pack(Message(recipient="a", payload=bytes(size)), Serializer.MSGPACK, "b", 1, 0, None)
    room, most = 10, []
    while there or out:
        while there and room > 0:
            reader._take(Letter(there.popleft(), body, 0, None))
            room -= 1
        most.append(len(out))
        reader._finish(out.popleft())
        room += sum(wanted)
        wanted.clear()
    assert most[0] == 10  # nobody knows how large they are before they are read
    assert max(most[11:]) == ahead
