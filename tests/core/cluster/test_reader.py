"""What is read from a mailbox of a broker, for the agent that it is of."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from civitas.cluster.durable.finishing import Finishing
from civitas.cluster.durable.parcels import pack
from civitas.cluster.durable.reader import MailboxReader
from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere
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
        peers={},
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
