"""A mailbox that is read again after something may have been lost, beside a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from civitas.brokers.nats.quick import QuickClient
from civitas.transport.mailboxes import Letter
from civitas.transport.nats.mailboxes.publishing import Publishing
from civitas.transport.nats.mailboxes.reading import NatsReading
from tests.nats_server import NatsServer


class Mailbox:
    """One mailbox with its reader, which the tests renew by hand as the root would."""

    def __init__(self, client: QuickClient) -> None:
        self.client = client
        self.letters: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()

    async def api(self, what: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.request(f"$JS.API.{what}", json.dumps(body).encode(), 5)
        found: dict[str, Any] = json.loads(answer.data)
        assert "error" not in found, found
        return found

    async def open(self, expires: float = 5) -> None:
        await self.api("STREAM.CREATE.s", name="s", subjects=["m"], retention="workqueue")
        consumer = {
            "name": "c",
            "durable_name": "c",
            "ack_policy": "explicit",
            "ack_wait": 30 * 10**9,
        }
        await self.api("CONSUMER.CREATE.s.c", stream_name="s", config=consumer)
        publishing = Publishing(lambda: self.client, "put")
        await publishing.subscribe(self.client)
        self.reading = NatsReading(
            "read",
            "s",
            "c",
            publishing,
            expires=expires,
            take=self._take,
            lost=self.lost.set,
            may_finish=lambda: True,
            over=lambda: None,
        )
        await self.reading.subscribe(self.client)
        self.reading.want(10)
        self.reading.renew()

    def _take(self, letter: Letter) -> None:
        self.letter = letter
        self.letters.put_nowait(letter.body)

    async def finishing(self) -> asyncio.Task[bool]:
        """Somebody waits until the first letter is out, which it cannot be, as something may have been lost."""
        await self.client.publish("m", b"0")
        await self.letters.get()
        self.reading.interrupted()
        finishing = asyncio.create_task(self.reading.finished(self.letter))
        await asyncio.sleep(0)
        return finishing

    async def unfinished(self) -> int:
        """How many letters the server has."""
        return int((await self.api("STREAM.INFO.s"))["state"]["messages"])

    async def waiting(self) -> int:
        """How many pulls stand at the server."""
        return int((await self.api("CONSUMER.INFO.s.c"))["num_waiting"])


@pytest_asyncio.fixture
async def mailbox(server_of_its_own: NatsServer) -> AsyncIterator[Mailbox]:
    client = QuickClient()
    await client.connect(server_of_its_own.url)
    mailbox = Mailbox(client)
    yield mailbox
    await mailbox.reading.close()
    await client.close()


@pytest.mark.promise(id="SEM-1475")
async def test_what_a_pull_of_before_brings_ahead_of_the_root_s_word_is_not_lost(
    mailbox: Mailbox,
) -> None:
    await mailbox.open()
    mailbox.reading.interrupted()
    assert mailbox.lost.is_set()
    for n in range(3):
        await mailbox.client.publish("m", b"%d" % n)
    await mailbox.api("CONSUMER.RESET.s.c")
    while (await mailbox.api("CONSUMER.INFO.s.c"))["num_ack_pending"] < 3:
        await asyncio.sleep(0)
    await mailbox.client.flush()

    mailbox.reading.renew()

    async with asyncio.timeout(1):
        assert [await mailbox.letters.get() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_nothing_is_taken_before_the_root_has_spoken(mailbox: Mailbox) -> None:
    await mailbox.open()
    mailbox.reading.interrupted()
    await mailbox.client.publish("m", b"0")
    while (await mailbox.api("CONSUMER.INFO.s.c"))["num_ack_pending"] < 1:
        await asyncio.sleep(0)
    await mailbox.client.flush()
    assert mailbox.letters.empty()


async def test_pulls_of_before_are_not_made_again_when_they_end(mailbox: Mailbox) -> None:
    await mailbox.open(expires=0.5)
    for _ in range(3):
        mailbox.reading.interrupted()
        mailbox.reading.renew()
    async with asyncio.timeout(5):
        while await mailbox.waiting() < 4:
            await asyncio.sleep(0)
        while await mailbox.waiting() > 1:
            await asyncio.sleep(0)
    await mailbox.client.publish("m", b"0")
    assert await mailbox.letters.get() == b"0"
    assert await mailbox.waiting() == 1


@pytest.mark.promise(id="SEM-1818")
async def test_what_could_not_be_acknowledged_is_out_when_it_has_come_again(
    mailbox: Mailbox,
) -> None:
    await mailbox.open()
    finishing = await mailbox.finishing()
    await mailbox.api("CONSUMER.RESET.s.c")
    assert not finishing.done()
    assert await mailbox.unfinished() == 1
    mailbox.reading.renew()
    assert await asyncio.wait_for(finishing, 5)
    assert await mailbox.unfinished() == 0
    assert mailbox.letters.empty()


@pytest.mark.promise(id="SEM-1818")
@pytest.mark.parametrize("more", [True, False])
async def test_what_the_server_had_heard_of_is_out_when_it_does_not_come_again(
    mailbox: Mailbox, more: bool
) -> None:
    await mailbox.open(expires=5 if more else 0.1)
    finishing = await mailbox.finishing()
    await mailbox.client.request(mailbox.letter.handle.decode(), b"+ACK", 5)
    await mailbox.api("CONSUMER.RESET.s.c")
    if more:
        await mailbox.client.publish("m", b"1")
    assert not finishing.done()
    mailbox.reading.renew()
    assert await asyncio.wait_for(finishing, 5)


@pytest.mark.promise(id="SEM-1818")
async def test_what_could_not_be_acknowledged_is_not_out_when_its_reader_ends(
    mailbox: Mailbox,
) -> None:
    await mailbox.open()
    finishing = await mailbox.finishing()
    await mailbox.reading.close()
    assert not await asyncio.wait_for(finishing, 5)
