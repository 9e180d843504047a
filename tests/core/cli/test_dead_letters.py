"""`civitas dead-letters`, at a real NATS server, while no system runs."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator

import pytest

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.jetstream import StreamLimits
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer
from civitas.node.dead.letters import dead_letter_of
from civitas.transport.nats.dead_letters import NatsDeadLetters
from civitas.transport.nats.mailboxes import MailboxNames, NatsMailboxKeeper
from tests.nats_server import NatsServer


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[NatsServer]:
    folder = tmp_path_factory.mktemp("nats")
    server = NatsServer(folder, f"jetstream {{ store_dir: {json.dumps(str(folder))} }}").start()
    yield server
    server.close()


class System:
    """A system of this test's own, by its topology's file."""

    names = itertools.count()

    def __init__(self, folder, server):
        self.name = f"system-{next(self.names)}"
        self.file = folder / "topology.yaml"
        self.url = server.url
        self.file.write_text(
            f"name: {self.name}\n"
            f"transport: {{type: nats, servers: ['{server.url}']}}\n"
            "supervision: {}"
        )

    def __str__(self):
        return str(self.file)

    def fill(self, *letters):
        asyncio.run(self._fill(letters))

    async def _fill(self, letters):
        options = NatsOptions.of({"servers": self.url})
        box = NatsDeadLetters(options, "civitas", self.name, StreamLimits())
        await box.make()
        for agent, reason, keywords in letters:
            message = Message(**{"recipient": agent, **keywords})
            await box.keep(dead_letter_of(message, DeadLetterReason(reason), Serializer.MSGPACK))
        await box.close()


@pytest.fixture
def topology(server, tmp_path):
    return System(tmp_path, server)


LETTERS = (
    ("writer", "crashed", {"payload": {"n": 1}, "id": "id-1", "sender": "planner"}),
    ("a.b", "expired", {"payload": "a secret", "id": "id-2", "attempt": 2}),
    ("writer", "max_deliveries", {"payload": [1, "ä"], "id": "id-3", "conversation": "user/42"}),
)


def numbers(result):
    return [each["number"] for each in json.loads(result.out)]


@pytest.mark.promise(id="SEM-1513")
def test_the_list_shows_agent_reason_and_age_and_no_payload(civitas, topology):
    topology.fill(*LETTERS)
    result = civitas("dead-letters", "list", topology)
    head, *lines = (line.split() for line in result.out.splitlines())
    assert head == ["number", "agent", "reason", "age", "type", "sender", "bytes"]
    assert [line[:3] for line in lines] == [
        ["1", "writer", "crashed"],
        ["2", "a.b", "expired"],
        ["3", "writer", "max_deliveries"],
    ]
    assert "secret" not in result.out
    assert "secret" in civitas("dead-letters", "list", topology, "--payload").out


@pytest.mark.promise(id="SEM-1513")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [1, 2, 3]),
        (("--agent", "writer"), [1, 3]),
        (("--reason", "expired"), [2]),
        (("--agent", "writer", "--reason", "crashed"), [1]),
        (("--agent", "nobody"), []),
    ],
)
def test_the_list_is_filtered_by_agent_and_reason(civitas, topology, options, found):
    topology.fill(*LETTERS)
    assert numbers(civitas("dead-letters", "list", topology, "--json", *options)) == found


@pytest.mark.promise(id="SEM-1513")
@pytest.mark.parametrize("key", ["3", "id-3"])
def test_one_is_shown_with_everything_that_is_known(civitas, topology, key):
    topology.fill(*LETTERS)
    shown = json.loads(civitas("dead-letters", "show", topology, key, "--json").out)
    assert shown.pop("age") < 60
    assert shown.pop("time") >= shown.pop("sent")
    assert shown == {
        "number": 3,
        "agent": "writer",
        "reason": "max_deliveries",
        "id": "id-3",
        "type": "message",
        "sender": None,
        "recipient": "writer",
        "conversation": "user/42",
        "run": None,
        "attempt": 0,
        "replays": 0,
        "bytes": 5,
    }
    lines = civitas("dead-letters", "show", topology, key, "--payload").out.splitlines()
    assert lines[-1].split(maxsplit=1) == ["payload", '[1, "ä"]']


@pytest.mark.promise(id="SEM-1513")
def test_what_is_dropped_is_gone_and_the_others_stay(civitas, topology):
    topology.fill(*LETTERS)
    dropped = civitas("dead-letters", "drop", topology, "2", "--yes")
    assert dropped.out == f"{topology}: 1 dead letter removed\n"
    assert numbers(civitas("dead-letters", "list", topology, "--json")) == [1, 3]
    civitas("dead-letters", "drop", topology, "--all", "--agent", "writer", "--yes")
    assert civitas("dead-letters", "list", topology).err == f"{topology}: no dead letters\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("show", "17"), 1, "there is no dead letter '17'"),
        (("show", "id-x"), 1, "there is no dead letter 'id-x'"),
        (("drop", "17", "--yes"), 1, "there is no dead letter '17'"),
        (("drop", "1"), 1, "There is nobody here to ask; confirm with --yes"),
        (("drop",), 2, "give numbers, or --all"),
        (("replay", "1", "--all"), 2, "give numbers, or --all"),
        (("replay", "1", "--agent", "writer"), 2, "--agent and --reason go with --all"),
        (("list", "--reason", "crash"), 2, "crash"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(civitas, topology, arguments, code, says):
    topology.fill(LETTERS[0])
    command, *rest = arguments
    result = civitas("dead-letters", command, topology, *rest)
    assert (result.code, says in result.err) == (code, True), result.err
    assert numbers(civitas("dead-letters", "list", topology, "--json")) == [1]


def test_a_system_that_has_none_yet_says_so(civitas, topology):
    result = civitas("dead-letters", "list", topology)
    assert (result.code, result.err) == (0, f"{topology}: no dead letters\n")
    assert civitas("dead-letters", "list", topology, "--json").out == "[]\n"


@pytest.mark.promise(id="SEM-1514")
@pytest.mark.parametrize(
    "transport",
    ["", "transport: {type: zmq}", "transport: {type: nats, jetstream: false}"],
)
def test_without_a_running_system_and_a_store_the_command_says_what_is_needed(
    civitas, tmp_path, transport
):
    path = tmp_path / "topology.yaml"
    path.write_text(f"{transport}\nsupervision: {{}}")
    result = civitas("dead-letters", "list", path)
    assert result.code == 1
    assert "Its dead letters ended with it" in result.err
    assert "Write state: {type: sqlite" in result.err


@pytest.mark.promise(id="SEM-1513")
def test_one_that_is_put_twice_is_kept_once(civitas, topology):
    topology.fill(LETTERS[0], LETTERS[0])
    assert numbers(civitas("dead-letters", "list", topology, "--json")) == [1]


LATE = ("writer", "late_reply", {"sender": "writer", "recipient": "", "correlation_id": "x"})


@pytest.mark.promise(id="SEM-1512")
def test_what_cannot_be_replayed_stays_and_is_said(civitas, topology):
    topology.fill(LETTERS[0], LATE)
    no_mailbox = civitas("dead-letters", "replay", topology, "1")
    assert no_mailbox.code == 1
    assert "number 1: 'writer' has no mailbox on the NATS server" in no_mailbox.err
    reply = civitas("dead-letters", "replay", topology, "2")
    assert (reply.code, "nobody waits for it" in reply.err) == (1, True)
    assert numbers(civitas("dead-letters", "list", topology, "--json")) == [1, 2]


@pytest.mark.promise(id="SEM-1512")
def test_a_replay_stops_at_a_full_mailbox_and_says_how_far_it_came(civitas, topology):
    topology.fill(LETTERS[0], LATE, LETTERS[2])
    asyncio.run(make_mailbox(topology, "writer", 1))
    result = civitas("dead-letters", "replay", topology, "--all")
    assert result.code == 1
    assert "number 2 was left: number 2 is a reply that came too late" in result.err
    assert "number 3: the mailbox of 'writer' is full" in result.err
    assert "Replayed before it: 1 message" in result.err
    assert numbers(civitas("dead-letters", "list", topology, "--json")) == [2, 3]


async def make_mailbox(system, agent, size):
    options = NatsOptions.of({"servers": system.url})
    box = NatsDeadLetters(options, "civitas", system.name, StreamLimits())
    keeper = NatsMailboxKeeper(
        options,
        MailboxNames.of("civitas", system.name),
        StreamLimits(),
        system=system.name,
        patience=5.0,
        dead_letters=box.configuration(),
    )
    await keeper.open()
    await keeper.make(agent, size, several=False)
    await keeper.close()
