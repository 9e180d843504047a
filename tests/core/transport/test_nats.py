"""The transport over NATS, with real servers."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from civitas.brokers.nats import NatsOptions
from civitas.errors import ConfigurationError
from civitas.testing import TransportSuite
from civitas.transport import CarrierEntry
from civitas.transport.nats import NatsCarrier, NatsTransport
from civitas.transport.nats.address import ROOT, Subjects
from tests.core.transport.conftest import End
from tests.nats_server import NatsServer

SUBJECTS = Subjects.of("civitas", "a.system")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One that all tests share which do not end it."""
    server = NatsServer(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


@pytest.fixture
def another(tmp_path) -> Iterator[Callable[[str], NatsServer]]:
    """Starts one with a configuration of its own."""
    servers: list[NatsServer] = []

    def start(config: str = "") -> NatsServer:
        servers.append(NatsServer(tmp_path, config).start())
        return servers[-1]

    yield start
    for each in servers:
        each.close()


Open = Callable[..., Awaitable[End]]


@pytest.fixture
async def join() -> AsyncIterator[Open]:
    """Opens a transport; all are closed when the test is over."""
    made: list[End] = []

    async def one(
        server: NatsServer, options: dict[str, Any] | None = None, **keywords: Any
    ) -> End:
        how = NatsOptions.of({"servers": server.url, **(options or {})})
        keywords = {"node_timeout": 3.0, "patience": 10.0, **keywords}
        made.append(End(NatsTransport(how, SUBJECTS, **keywords)))
        await made[-1].transport.open(made[-1].receive, made[-1].tell_cut_off)
        return made[-1]

    yield one
    for each in made:
        await each.transport.close()


class TestNatsTransport(TransportSuite):
    @pytest.fixture
    def make_transport(self, server):
        options = NatsOptions.of({"servers": server.url})
        return lambda: NatsTransport(options, SUBJECTS, node_timeout=0.5)


# A server that goes away.


@pytest.mark.promise(id="SEM-1404")
async def test_a_server_that_is_killed_and_back_loses_repeats_and_reorders_nothing(another, join):
    server = another()
    here, there = await join(server), await join(server)
    link = here.connect(there.address)
    frames = [b"%d " % number + bytes(500) for number in range(20_000)]
    for number, frame in enumerate(frames):
        link.send(frame)
        if number in (4_000, 12_000):
            await there.has(number // 2)
            server.kill()
            await here.until(lambda: here.cut_off[-1:] == [True])
            server.start()
            await here.until(lambda: here.cut_off[-1:] == [False])
    assert await there.has(len(frames)) == frames
    assert (here.lost, here.cut_off) == (0, [True, False] * 2)


@pytest.mark.promise(id="SEM-1409")
async def test_what_waits_for_a_node_that_does_not_answer_stays_with_its_sender(server, join):
    here, there = await join(server), await join(server)
    link = here.connect(there.address)
    link.send(b"hello")
    await there.has(1)
    there.transport._inbox.close()  # as one whose event loop stands still
    for _ in range(1000):
        link.send(bytes(50_000))
    before = -1
    while before != link._sent:
        before = link._sent
        await asyncio.sleep(0.05)
    assert link._sent < 110


@pytest.mark.promise(id="SEM-1404")
async def test_a_server_that_hangs_for_a_moment_is_nobodys_death(another, join):
    server = another()
    here, there = await join(server), await join(server)
    link = here.connect(there.address)
    server.kill(signal.SIGSTOP)
    for number in range(100):
        link.send(b"%d" % number)
    await asyncio.sleep(0.5)  # as long as it hangs
    server.kill(signal.SIGCONT)
    assert await there.has(100) == [b"%d" % number for number in range(100)]
    assert here.lost == 0


@pytest.mark.promise(id="SEM-1407")
async def test_an_outage_longer_than_the_node_timeout_loses_the_others(another, join):
    server = another()
    here = await join(server, node_timeout=0.3)
    there = await join(server, node_timeout=0.3)
    here.connect(there.address)
    server.kill()
    await here.until(lambda: here.lost == 1)
    assert here.cut_off == [True]


@pytest.mark.promise(id="SEM-1410")
async def test_a_node_whose_event_loop_is_blocked_is_not_lost(server, join):
    here, there = await join(server, node_timeout=0.4), await join(server, node_timeout=0.4)
    here.connect(there.address).send(b"hello")
    await there.has(1)
    time.sleep(1)  # noqa: ASYNC251
    await asyncio.sleep(0.05)
    assert (here.lost, there.lost) == (0, 0)


# The root.


@pytest.mark.promise(id="SEM-1406")
async def test_a_second_node_under_the_token_of_the_root_is_refused(server, join):
    await join(server, token=ROOT)
    with pytest.raises(ConfigurationError, match="another root of this system is running"):
        await join(server, token=ROOT)


async def test_whoever_is_there_under_a_token_is_found_and_another_run_is_not_it(server, join):
    first = await join(server, token=ROOT)
    here = await join(server)
    link = here.connect(f"nats:{ROOT}")
    link.send(b"hello")
    await first.has(1)
    await first.transport.close()
    second = await join(server, token=ROOT)
    link.send(b"for the first")
    await here.until(lambda: here.lost == 1)
    here.connect(f"nats:{ROOT}").send(b"for the second")
    assert await second.has(1) == [b"for the second"]


@pytest.mark.promise(id="SEM-1411")
async def test_what_is_no_batch_is_passed_over(server, join, caplog):
    here = await join(server)
    token = here.transport._token
    client = here.transport._connection.client
    await client.publish(SUBJECTS.batches(token), b"who are you?", reply="somebody.else")
    await client.publish(SUBJECTS.acks(here.transport._run, "0"), b"x")
    here.connect(here.address).send(b"hello")
    assert await here.has(1) == [b"hello"]
    assert "is not a Civitas batch" in caplog.text


# Who may come in.


@pytest.mark.promise(id="SEM-1412")
async def test_the_server_lets_in_who_shows_what_it_wants(another, join, tmp_path):
    import nkeys  # what the extra brings beside nats-py

    pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    (tmp_path / "user.nk").write_bytes(bytes(pair.seed))
    nkey = pair.public_key.decode()
    users = f'users: [{{user: ann, password: "s3cret"}}, {{nkey: {nkey}}}]'
    server = another(f"authorization {{ {users} }}")
    for options in ({"user": "ann", "password": "s3cret"}, {"nkey": str(tmp_path / "user.nk")}):
        here = await join(server, options)
        here.connect(here.address).send(b"hello")
        assert await here.has(1) == [b"hello"]
    for options in ({}, {"user": "ann", "password": "wr0ng"}, {"token": "wr0ng"}):
        with pytest.raises(ConfigurationError, match="does not let this process in") as refused:
            await join(server, options)
        assert "wr0ng" not in str(refused.value)


@pytest.mark.promise(id="SEM-1412")
async def test_a_token_lets_in(another, join):
    here = await join(another("authorization { token: s3cret }"), {"token": "s3cret"})
    here.connect(here.address).send(b"hello")
    assert await here.has(1) == [b"hello"]


@pytest.mark.promise(id="SEM-1412")
async def test_tls_is_spoken_with_the_files_that_are_given(another, join, tmp_path):
    certificate(tmp_path)
    server = another(f'tls {{ cert_file: "{tmp_path}/cert.pem", key_file: "{tmp_path}/key.pem" }}')
    here = await join(server, {"tls": {"ca": str(tmp_path / "cert.pem")}})
    here.connect(here.address).send(b"hello")
    assert await here.has(1) == [b"hello"]
    with pytest.raises(ConfigurationError, match=r"does not let this process in: .*CERTIFICATE"):
        await join(server, {"tls": {}})


def certificate(folder) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=here",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


async def test_a_server_that_is_not_there_is_named(another, join, caplog):
    server = another()
    server.kill()
    with pytest.raises(ConfigurationError, match=f"no NATS server at {re.escape(server.url)}"):
        await join(server, patience=0.2)


async def test_a_server_that_takes_too_small_messages_is_refused(another, join):
    with pytest.raises(ConfigurationError, match="max_payload must be"):
        await join(another("max_payload: 65536"))


# The carrier.


@pytest.mark.promise(id="SEM-1413")
@pytest.mark.parametrize(
    ("what", "refused"), [("keep", []), ("stop", []), (True, ["on_partition"])]
)
def test_what_the_side_without_the_leader_does_is_keep_or_stop(what, refused):
    found = NatsCarrier().problems(CarrierEntry(options={"on_partition": what}))
    assert [where for where, _ in found] == refused


@pytest.mark.promise(id="SEM-1452")
@pytest.mark.parametrize(
    ("options", "key", "problem"),
    [
        ({"jetstream": "yes"}, "jetstream", "'jetstream' must be true or false"),
        ({"stream": 3}, "stream", "'stream' must be a mapping"),
        ({"stream": {"max_age": "soon"}}, "stream", "'max_age' must be a time"),
        ({"jetstream": False, "stream": {}}, "stream", "'jetstream: false' keeps nothing"),
    ],
)
def test_what_is_wrong_with_what_the_server_keeps_is_told(options, key, problem):
    ((where, text),) = NatsCarrier().problems(CarrierEntry(options=options))
    assert (where, problem in text) == (key, True)


@pytest.mark.parametrize("prefix", ["", "a b", "a..b", ".a", "a.*", ">", "$SYS", 5])
def test_a_prefix_that_nats_would_misread_is_refused(prefix):
    (found,) = NatsCarrier().problems(CarrierEntry(options={"prefix": prefix}))
    assert found[0] == "prefix"


def test_the_token_of_a_system_is_of_its_secret_prefix_and_name():
    def token(**keys):
        entry: dict[str, Any] = {"options": {"secret": "s"}, "system": "a", "awaited": True, **keys}
        access = NatsCarrier().access(CarrierEntry(**entry))
        assert access is not None
        return access.token

    assert token() == token(awaited=False)
    others: list[dict[str, Any]] = [
        *({"options": {}}, {"options": {"secret": "t"}}, {"system": "b"}),
        {"options": {"secret": "s", "prefix": "p"}},
    ]
    assert len({token(), *(token(**each) for each in others)}) == 5
    assert NatsCarrier().access(CarrierEntry(options={"jetstream": False})) is None


def test_a_missing_nats_py_is_named_with_the_line_that_mends_it():
    code = (
        "import sys; sys.modules['nats'] = None\n"
        "from civitas.errors import ConfigurationError\n"
        "from civitas.transport import Access, CarrierEntry\n"
        "from civitas.transport.nats import NatsCarrier\n"
        "entry = CarrierEntry(options={})\n"
        "try:\n NatsCarrier().for_root(entry, Access('t'))\n"
        "except ConfigurationError as error:\n print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'civitas-core[nats]'" in found.stdout
