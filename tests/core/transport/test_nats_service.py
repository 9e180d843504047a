"""What a NATS server must permit for a node to be found by the tools of NATS."""

from __future__ import annotations

import asyncio
import json

import nats
import pytest

from civitas.brokers.nats import NatsOptions
from civitas.process.account import Account
from civitas.transport.nats import NatsTransport
from civitas.transport.nats.address import Subjects
from tests.nats_server import NatsServer

OWN = "civitas.small.>"
QUESTIONS = ["$SRV.PING", "$SRV.INFO", "$SRV.STATS", "$SRV.PING.>", "$SRV.INFO.>", "$SRV.STATS.>"]


class Node:
    name = "root"

    def accounts(self):
        yield Account("a.b", "agent", "running", 3, 1, "ValueError", 2)
        yield Account("support", "conversation_pool", "running", 9, 0, "", 0, awake=4)


def users(publish, subscribe):
    rights = f"{{ publish: {json.dumps(publish)}, subscribe: {json.dumps(subscribe)} }}"
    return f"""authorization {{ users: [
        {{ user: node, password: pw, permissions: {rights} }}, {{ user: anybody, password: pw }} ] }}"""


@pytest.fixture
async def shown(tmp_path):
    """What the tools of NATS find of a node whose user has these rights; the node takes a frame all the same."""

    async def look(publish, subscribe):
        server = NatsServer(tmp_path, users(publish, subscribe)).start()
        options = NatsOptions.of({"servers": server.url, "user": "node", "password": "pw"})
        node, other = (NatsTransport(options, Subjects.of("civitas", "small")) for _ in range(2))
        node.present(Node())
        arrived = asyncio.get_running_loop().create_future()
        anybody = await nats.connect(server.url, user="anybody", password="pw")
        try:
            await node.open(arrived.set_result)
            await other.open(lambda _: None)
            other.connect(node.address).send(b"frame")
            assert await asyncio.wait_for(arrived, 5) == b"frame"
            inbox = await anybody.subscribe(anybody.new_inbox())
            for verb in ("PING", "INFO", "STATS"):
                await anybody.publish(f"$SRV.{verb}", b"", reply=inbox.subject)
            # Where nobody listens, the server says so with an empty message.
            answers = [(await inbox.next_msg(5)).data for _ in range(3)]
            return [json.loads(each) for each in answers if each]
        finally:
            await anybody.close()
            await node.close()
            await other.close()
            server.close()

    return look


@pytest.mark.promise(id="SEM-1504")
async def test_a_user_with_the_rights_of_the_system_alone_runs_it_and_is_not_shown(shown):
    assert await shown([OWN], [OWN]) == []


@pytest.mark.promise(id="SEM-1504")
async def test_a_user_with_the_rights_that_the_docs_name_is_shown(shown):
    answers = await shown([OWN, "_INBOX.>"], [OWN, *QUESTIONS])
    ping, info, stats = sorted(answers, key=lambda each: ["p", "i", "s"].index(each["type"][17]))
    assert ping["metadata"]["node"] == "root"
    assert [each["name"] for each in info["endpoints"]] == ["a=2Eb", "support"]
    assert [each["num_requests"] for each in stats["endpoints"]] == [3, 9]
    assert stats["endpoints"][1]["data"] == {"status": "running", "waiting": 0, "awake": 4}
