"""The short way in and out of a NATS connection, with a real server where there is a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import nats.aio.client
import nats.aio.subscription
import nats.aio.transport
import pytest

from civitas.brokers.nats.connection import Connection
from civitas.brokers.nats.options import NatsOptions
from civitas.brokers.nats.outlet import Outlet
from civitas.brokers.nats.parts import check_parts
from civitas.brokers.nats.publications import header, publication, status
from civitas.brokers.nats.quick import QuickClient, _Inflow
from civitas.errors import ConfigurationError
from civitas.transport.mailboxes import NotKept
from civitas.transport.nats.mailboxes.publishing import Publishing
from tests.nats_server import NatsServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One that takes no large messages."""
    server = NatsServer(tmp_path_factory.mktemp("nats"), "max_payload: 131072").start()
    yield server
    server.close()


@pytest.fixture
async def client(server: NatsServer) -> Any:
    client = QuickClient()
    await client.connect(server.url)
    yield client
    await client.close()


# What comes.

HEAD = b"NATS/1.0\r\nA: b\r\n\r\n"
WITH_BODY = b"HMSG a.d 7 back %d %d\r\n%bbody\r\n" % (len(HEAD), len(HEAD) + 4, HEAD)
WITHOUT = b"HMSG a.e 7 %d %d\r\n%b\r\n" % (len(HEAD), len(HEAD), HEAD)
STREAM = (
    b"PING\r\n"
    b"MSG a.b 7 5\r\nhello\r\n"
    b"MSG a.b 8 4\r\nsome\r\n"
    b"MSG a.c 7 back.to 2\r\n\r\n\r\n"
    b"+OK\r\n" + WITH_BODY + WITHOUT + b"MSG a.f 7 3\r\nend\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_wherever_what_comes_is_cut_each_message_is_taken_whole(size):
    taken: list[tuple[bytes, ...]] = []
    left: list[bytes] = []
    inflow = _Inflow({b"7": lambda *message: taken.append(message)}, left.append)
    for at in range(0, len(STREAM), size):
        inflow.feed(STREAM[at : at + size])
    assert taken == [
        (b"a.b", b"", b"hello", b""),
        (b"a.c", b"back.to", b"\r\n", b""),
        (b"a.d", b"back", b"body", HEAD),
        (b"a.e", b"", b"", HEAD),
        (b"a.f", b"", b"end", b""),
    ]
    assert left == [b"PING\r\n", b"MSG a.b 8 4\r\nsome\r\n", b"+OK\r\n"]


def test_a_message_that_cannot_be_handled_takes_no_other_with_it(caplog):
    taken: list[bytes] = []

    def take(subject: bytes, *_: bytes) -> None:
        taken.append(subject)
        if subject == b"a.b":
            raise ValueError("no such thing")

    _Inflow({b"7": take}, lambda piece: None).feed(STREAM)
    assert taken[:2] == [b"a.b", b"a.c"]
    assert "no such thing" in caplog.text


async def test_what_is_taken_and_what_nats_py_hands_over_share_a_connection(client):
    taken: asyncio.Queue[tuple[bytes, ...]] = asyncio.Queue()
    await client.take("straight.>", lambda *message: taken.put_nowait(message))
    usual = await client.subscribe("usual")
    client.write(publication(b"straight.1", b"one", b"usual") + publication(b"usual", b"two"))
    await client.publish("straight.2", b"three", headers={"A": "b"})
    assert await taken.get() == (b"straight.1", b"usual", b"one", b"")
    assert (await usual.next_msg()).data == b"two"
    assert await taken.get() == (b"straight.2", b"", b"three", HEAD)


async def test_nothing_is_taken_any_more_after_the_subscription_has_ended(client):
    taken: list[bytes] = []
    subscription = await client.take("here", lambda _, __, body, ___: taken.append(body))
    client.write(publication(b"here", b"one"))
    await client.flush()
    await subscription.unsubscribe()
    client.write(publication(b"here", b"two"))
    await client.flush()
    assert (taken, client._takes) == ([b"one"], {})


# What goes.


def test_no_line_break_of_a_value_ends_a_header():
    head = header("id", {"baggage": "a=b\r\nNats-Rollup: all"})
    assert head == b"NATS/1.0\r\nNats-Msg-Id: id\r\nbaggage: a=b  Nats-Rollup: all\r\n\r\n"


def test_what_a_server_says_instead_of_a_message_is_a_number_and_fields():
    number, fields = status(
        b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0\r\n\r\n"
    )
    assert (number, fields["Description"]) == ("408", "Request Timeout")
    assert fields["Nats-Pending-Messages"] == "3"
    assert status(b"")[0] == ""


async def test_what_is_sent_in_one_turn_is_one_piece_and_a_full_socket_is_waited_for(
    client, monkeypatch
):
    arrived: list[bytes] = []
    all_of_it = asyncio.Event()

    def take(_: bytes, __: bytes, body: bytes, ___: bytes) -> None:
        arrived.append(body)
        if len(arrived) == len(expected):
            all_of_it.set()

    await client.take("here", take)
    pieces: list[int] = []
    write = client.write

    def counted(piece: bytes) -> None:
        pieces.append(piece.count(b"PUB "))
        write(piece)

    monkeypatch.setattr(client, "write", counted)
    waiting = [b"%d" % number + bytes(100_000) for number in range(250)]
    expected = [*waiting]

    def fill(publications: list[bytes]) -> bool:
        publications += [publication(b"here", body) for body in waiting[:100]]
        del waiting[:100]
        return bool(waiting)

    outlet = Outlet(lambda: client, fill)
    outlet.wanted()
    outlet.wanted()
    await asyncio.sleep(0)
    assert pieces == [100]
    assert client.is_full
    await asyncio.sleep(0)
    assert pieces == [100]
    await asyncio.wait_for(all_of_it.wait(), 15)
    assert (arrived, pieces) == (expected, [100, 100, 50])
    await outlet.close()


async def test_a_message_that_is_too_large_with_its_headers_is_refused_at_once(client):
    publishing = Publishing(lambda: client, "answers")
    await publishing.subscribe(client)
    landed: asyncio.Queue[int | Exception] = asyncio.Queue()
    publishing.put(b"there", "id", bytes(70_000), {"baggage": "x" * 70_000}, landed.put_nowait)
    assert landed.empty()
    error = await landed.get()
    assert isinstance(error, NotKept)
    assert "with its headers" in str(error)
    await publishing.close()


# The installed nats-py.


class _Renamed:
    """Stands for a class of nats-py in which every private part has another name."""

    def __init__(self, *given: object) -> None:
        pass


@pytest.mark.promise(id="SEM-1476")
@pytest.mark.parametrize(
    ("module", "name", "part"),
    [
        (nats.aio.client, "Client", "_Renamed._process_connect_init"),
        (nats.aio.subscription, "Subscription", "_Renamed._id"),
        (nats.aio.transport, "TcpTransport", "_Renamed._io_reader"),
        (asyncio, "StreamReader", "_Renamed._buffer"),
    ],
)
async def test_a_client_library_that_lacks_a_part_is_refused_before_there_is_a_connection(
    server, monkeypatch, module, name, part
):
    connection = Connection(
        NatsOptions(servers=(server.url,)),
        name="test",
        inbox="_INBOX",
        subscribe=lambda client: asyncio.sleep(0),
        up=lambda: None,
        down=lambda: None,
    )
    check_parts.cache_clear()
    monkeypatch.setattr(module, name, _Renamed)
    with pytest.raises(ConfigurationError, match=r"nats-py \d.*pip install 'nats-py") as caught:
        await connection.open(5)
    assert part in str(caught.value)
    assert nats.aio.client.__version__ in str(caught.value)
    await connection.close()
