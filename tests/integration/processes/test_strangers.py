"""Who is none of the system and can reach its sockets: a flood of them, and forged introductions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from civitas import NodeDown, Runtime
from civitas.cluster.frames import CLUSTER_VERSION, Kind, pack, unpacked
from civitas.transport.zmq import ZmqTransport
from tests.integration.processes.system import agent, killed, pid_of, running, topology, until

LOOPBACK = "tcp://127.0.0.1:*"
FLOOD = 3000


class Stranger:
    """Somebody on this machine who speaks the protocol and knows every address."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.transport = ZmqTransport(address=LOOPBACK, node_timeout=5.0)

    def hello(self, name: str, **other: Any) -> dict[str, Any]:
        whole = {
            "version": CLUSTER_VERSION,
            "civitas": "0",
            "name": name,
            "pid": 1,
            "pid_space": "",
        }
        return {**whole, "address": self.transport.address, "token": "", "joined": False, **other}

    async def send(self, address: str, *frames: bytes) -> None:
        """Send frames to a node; on return it has them."""
        link = self.transport.connect(address)
        for frame in frames:
            link.send(frame)
        await link.flushed()
        link.close()


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    one = Stranger()
    await one.transport.open(lambda frame: one.answers.append(bytes(frame)))
    yield one
    await one.transport.close()


def over_tcp(**transport: str) -> dict[str, Any]:
    given = {"type": "zmq", "address": LOOPBACK, **transport}
    return {**topology(agent("a", "w"), max_restarts=100), "transport": given}


def links_of(root: Any) -> list[Any]:
    return [link for there in root.transport._others.values() for link in there.links]


@pytest.mark.promise(id="SEM-1174")
@pytest.mark.promise(id="SEM-1177")
async def test_a_flood_of_introductions_is_answered_by_nothing_and_keeps_no_process_from_joining(
    stranger: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    async with Runtime.from_config(over_tcp(keys="none")) as runtime:
        root: Any = runtime._node
        links = len(links_of(root))
        hellos = [stranger.hello("w"), stranger.hello("nobody"), stranger.hello("w", joined=True)]
        flood = [
            frame
            for n in range(FLOOD // 4)
            for frame in (
                *(pack(Kind.HELLO, f"{n}", hello, bytes(32)) for hello in hellos),
                pack(Kind.HELLO, f"{n}", {"name": [n]}),
            )
        ]
        await stranger.send(root.transport.address, *flood, b"rubbish", pack(Kind.HELLO, "x"))
        assert len(links_of(root)) == links
        said = [each for each in caplog.records if "turned a stranger away" in each.message]
        assert len(said) == 1
        await killed(runtime, "a")
        await running(runtime)
        assert (await runtime.ask("a", None, "pid")).payload == pid_of(runtime, "a")
        assert not [each for each in caplog.records if each.exc_info]
    assert f"and {FLOOD + 1} more of this kind" in caplog.text
    assert stranger.answers == []


@pytest.mark.promise(id="SEM-1174")
async def test_who_gives_himself_out_for_the_root_or_for_a_member_has_nothing_done(
    stranger: Stranger, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    recipe = {"name": "x", "class": "os:system", "args": [f"touch {made}"], "keywords": {}}
    start = ["x", 1, {"kind": "agent", "recipe": recipe, "family": ""}]
    async with Runtime.from_config(over_tcp(keys="none")) as runtime:
        root: Any = runtime._node
        (worker,) = root.peers.values()
        welcome = {"in_hand": "", "pid": 1, "pid_space": "", "given": [], "spans": "", "facts": []}
        await stranger.send(
            worker.address,
            pack(Kind.WELCOME, "me", {**welcome, "keeps": True, "peers": []}, bytes(32)),
            pack(Kind.REFUSED, "me", "go away", bytes(32)),
            pack(Kind.INTRODUCE, "me", "root", stranger.transport.address, bytes(32)),
            pack(Kind.CALL, "me", 1, "start", start),
            pack(Kind.CAST, "me", "end", []),
        )
        pid = pid_of(runtime, "a")
        assert (await runtime.ask("a", None, "pid")).payload == pid
        assert root.peers == {worker.boot: worker}
    assert not made.exists()
    assert stranger.answers == []


@pytest.mark.promise(id="SEM-1231")
async def test_a_recorded_introduction_that_was_changed_has_nothing_done(
    stranger: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    async with Runtime.from_config(over_tcp(keys="none")) as runtime:
        root: Any = runtime._node
        (worker,) = root.peers.values()
        member = root.roster["w"]
        own = {"token": member.token, "pid": member.pid, "pid_space": member.pid_space}
        known = stranger.hello("w", address=worker.address, **own)
        await stranger.send(
            root.transport.address,
            pack(Kind.HELLO, "me", known),
            pack(Kind.HELLO, "me", known, bytes(32)),
            pack(Kind.HELLO, "me", known | {"version": "3"}),
            pack(Kind.HELLO, "me", known | {"version": 2, "civitas": None}),
            pack(Kind.HELLO, "me", known | {"version": 2, "address": "nowhere"}),
            # This one is told that it is of another version; the process itself was not meant.
            pack(Kind.HELLO, "me", known | {"version": 2}),
        )
        await until(lambda: root.membership.admitting._refused)
        await asyncio.gather(*(link.flushed() for link in root.membership.admitting._refused))
        assert (await runtime.ask("a", None, "pid")).payload == member.pid
        assert root.peers == {worker.boot: worker}
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.promise(id="SEM-1232")
async def test_a_process_whose_frames_cannot_be_read_is_down_at_once(
    stranger: Stranger, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    config = over_tcp(keys="none")
    config["supervision"]["children"].append(agent("b", "v"))
    bad_fields, no_message = ("x", 5), ("x", b"{}")
    wrong = "ANSWER has the fields str, int"
    async with Runtime.from_config(config) as runtime:
        root: Any = runtime._node
        # Nobody else knows the boot ids: with them this one speaks for the process "w", and for the root to that.
        for reader, sender, fields, said in (
            ("root", "w", bad_fields, f"what it sent cannot be read: {wrong}"),
            ("v", "w", bad_fields, f"'v' cannot read what it sent: {wrong}"),
            (
                "w",
                "root",
                no_message,
                "it cannot read what the root sent: received something that is not",
            ),
        ):
            # Two workers know each other from the first message between them on.
            await runtime.ask("b", {"to": "a", "type": "pid", "payload": None}, "ask")
            nodes = {each.name: (each.boot, each.address) for each in root.peers.values()}
            nodes["root"] = root.boot, root.transport.address
            held = tmp_path / f"{reader} reads"
            waiting = asyncio.create_task(runtime.ask("a", str(held), "hold", timeout=None))
            await until(held.exists)
            bad = pack(Kind.ANSWER, nodes[sender][0], *fields)
            await stranger.send(nodes[reader][1], bad, bad)
            with pytest.raises(NodeDown, match=said):
                await waiting
            await running(runtime)
        assert (await runtime.ask("a", None, "pid")).payload == pid_of(runtime, "a")
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.promise(id="SEM-1236")
async def test_a_process_starts_and_ends_agents_for_the_root_alone(
    stranger: Stranger, tmp_path: Path
) -> None:
    """Another process of the system may ask for that of its root, which makes it in that process."""
    config = over_tcp(keys="none")
    config["supervision"]["children"].append(agent("b", "v"))
    (tmp_path / "marks_its_import.py").write_text(
        "from pathlib import Path\nPath('imported').touch()\n"
    )
    config["processes"] = {"w": {"cwd": str(tmp_path)}}
    recipe = {"name": "x", "class": "marks_its_import:Agent", "args": [], "keywords": {}}
    async with Runtime.from_config(config) as runtime:
        root: Any = runtime._node
        nodes = {each.name: each for each in root.peers.values()}
        # With the boot id of "v" this one speaks for that.
        start = ["x", 1, {"kind": "agent", "recipe": recipe, "family": ""}]
        await stranger.send(
            nodes["w"].address,
            pack(Kind.CALL, nodes["v"].boot, 1, "start", start),
            pack(Kind.CALL, nodes["v"].boot, 2, "stop", ["a"]),
            pack(Kind.CAST, nodes["v"].boot, "end", []),
        )
        pid = pid_of(runtime, "a")
        assert (await runtime.ask("a", None, "pid")).payload == pid
    assert not (tmp_path / "imported").exists()


@pytest.mark.promise(id="SEM-1177")
async def test_a_process_of_an_earlier_version_is_told_so_and_many_at_once_take_few_links(
    stranger: Stranger,
) -> None:
    async with Runtime.from_config(over_tcp(keys="none")) as runtime:
        root: Any = runtime._node
        links = len(links_of(root))
        old = stranger.hello("w", version=CLUSTER_VERSION - 1, token=root.roster["w"].token)
        hellos = (pack(Kind.HELLO, f"{n}", old) for n in range(FLOOD))
        await stranger.send(root.transport.address, *hellos)
        assert len(links_of(root)) == links + 32
        await until(lambda: len(stranger.answers) == 32)
        kind, _, *fields = unpacked(stranger.answers[0])
        assert kind == Kind.REFUSED
        assert "they speak different wire versions. Upgrade civitas-core there" in fields[0]


@pytest.mark.promise(id="SEM-1175")
async def test_over_tcp_who_has_no_keys_is_not_let_in_where_the_topology_says_nothing_of_them(
    stranger: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with Runtime.from_config(over_tcp()) as runtime:
        root: Any = runtime._node
        assert (await runtime.ask("a", None, "pid")).payload == pid_of(runtime, "a")
        link = stranger.transport.connect(root.transport.address)
        link.send(pack(Kind.HELLO, "me", stranger.hello("w")))
        await until(lambda: "refused a node" in caplog.text)
        link.close()
    assert "keys: none" not in caplog.text
