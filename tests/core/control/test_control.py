"""The door of a running system."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from civitas.control import (
    ControlClient,
    ControlServer,
    NotRunning,
    SystemLock,
    holder,
    state_folder,
)
from civitas.control.client import NotAnswering, RemoteError
from civitas.errors import ConfigurationError, NodeDown, PayloadError
from civitas.frameworks.conversations import key_of
from civitas.message import MAX_PAYLOAD
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.topology.state_folder import open_state_folder, socket_of
from tests.core.support import Actor, Journal, eventually


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not below tmp_path, whose name is that of the test: the path of a socket must be short.
    with tempfile.TemporaryDirectory() as above:
        monkeypatch.setenv("XDG_STATE_HOME", above)
        folder = state_folder("team", tmp_path / "topology.yaml")
        open_state_folder(folder)
        yield folder


def team(*agents: Actor) -> Runtime:
    return Runtime(Supervisor("root", list(agents)), name="team", drain_timeout=0)


@pytest.mark.promise(id="SEM-807")
async def test_the_command_line_can_ask_send_and_see_the_tree(folder: Path) -> None:
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        reply = await client.request("ask", to="a", payload={"n": 1}, conversation="c")
        assert reply == {"sender": "a", "type": "reply", "payload": {"n": 1}, "conversation": "c"}
        await client.request("send", to="a", payload=2)
        handled = await client.request("ask", to="a", payload=None, type="handled")
        assert handled["payload"] == [{"n": 1}, 2]
        assert (await client.request("tree"))["name"] == "root"


async def test_an_error_comes_with_its_name_and_its_sentence(folder: Path) -> None:
    async with (
        team(Actor("planner", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        with pytest.raises(RemoteError, match="did you mean 'planner'") as caught:
            await client.request("ask", to="planer", payload=1)
        assert caught.value.error_type == "UnknownAgent"
        with pytest.raises(RemoteError, match="does not know 'dance'"):
            await client.request("dance")
        with pytest.raises(RemoteError, match="has no 'to'"):
            await client.request("ask", payload=1)
        with pytest.raises(RemoteError, match="has no 'payload'"):
            await client.request("send", to="planner")
        with pytest.raises(RemoteError, match="timeout"):
            await client.request("ask", to="planner", payload=None, timeout=-1)


async def test_nothing_but_conversations_is_read_from_the_state_store(folder: Path) -> None:
    async with (
        team() as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        mine = key_of("a", "c")
        for key in (mine, "of-another-program"):
            await runtime._node.store.set(key, {"n": 1})
        assert await client.request("stored_keys") == [mine]
        assert await client.request("stored", keys=[mine]) == {mine: {"n": 1}}
        with pytest.raises(RemoteError, match="only conversations are read"):
            await client.request("stored", keys=[mine, "of-another-program"])
        for prefix in ("", None):
            with pytest.raises(RemoteError, match="only conversations are read"):
                await client.request("stored_keys", prefix=prefix)


WORDS: tuple[Any, ...] = (None, 5, True, ["a"], {"a": 1}, b"a")


@pytest.mark.promise(id="SEM-1172")
@pytest.mark.parametrize("operation", ["ask", "send"])
@pytest.mark.parametrize("key", ["to", "type", "timeout", "conversation"])
async def test_a_request_with_a_value_of_a_wrong_type_is_answered_with_what_it_should_be(
    folder: Path, operation: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        for word in WORDS:
            if (key, word) in (("timeout", None), ("timeout", 5), ("conversation", None)):
                continue
            with pytest.raises(RemoteError, match=r"text|seconds") as caught:
                await client.request(operation, **{"to": "a", "payload": 1, key: word})
            assert caught.value.error_type == "ConfigurationError"
        assert (await client.request("ask", to="a", payload=1))["payload"] == 1
    assert not caplog.records


@pytest.mark.promise(id="SEM-1172")
@pytest.mark.parametrize("word", [*WORDS, "dance"])
async def test_an_unknown_request_is_answered_with_those_there_are(folder: Path, word: Any) -> None:
    async with (
        team() as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        with pytest.raises(RemoteError, match="only ask, send, tree"):
            await client.request(word)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.promise(id="SEM-808")
async def test_folder_and_socket_are_the_owners_alone(folder: Path) -> None:
    async with team() as runtime, ControlServer(runtime, folder):
        assert mode(folder) == 0o700
        assert mode(socket_of(folder)) == 0o600
    assert list(folder.iterdir()) == []  # noqa: ASYNC240 - after the run


@pytest.mark.promise(id="SEM-810")
def test_a_second_system_of_one_topology_is_refused_with_the_process_that_runs(
    folder: Path,
) -> None:
    with SystemLock("team", folder):
        assert holder(folder) == os.getpid()
        with pytest.raises(
            ConfigurationError, match=rf"is already running \(process {os.getpid()}\)"
        ):
            SystemLock("team", folder).__enter__()
    assert holder(folder) is None


async def test_what_a_killed_system_left_behind_is_no_obstacle(folder: Path) -> None:
    socket_of(folder).touch()
    (folder / "lock").write_text("1")
    assert holder(folder) is None
    async with team(Actor("a", Journal())) as runtime:
        with SystemLock("team", folder):
            async with ControlServer(runtime, folder), ControlClient("team", folder) as client:
                assert (await client.request("ask", to="a", payload=1))["payload"] == 1


def _lock_and_fork(folder: Path, report: Connection) -> None:
    with SystemLock("team", folder):
        if not os.fork():
            report.send(os.getpid())  # it has let go when `fork` returns
        signal.pause()


def test_a_child_that_a_killed_system_forked_does_not_hold_its_lock(folder: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    system = multiprocessing.get_context("spawn").Process(
        target=_lock_and_fork, args=(folder, theirs)
    )
    system.start()
    child = ours.recv()
    try:
        assert holder(folder) == system.pid
        system.kill()
        system.join()
        assert holder(folder) is None
        with SystemLock("team", folder):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


async def test_a_system_that_does_not_run_is_said_so(folder: Path) -> None:
    with pytest.raises(NotRunning, match="start it with `civitas run`"):
        await ControlClient("team", folder).__aenter__()
    socket_of(folder).touch()
    with pytest.raises(NotRunning, match="start it with `civitas run`"):
        await ControlClient("team", folder).__aenter__()


async def test_a_system_that_holds_the_lock_without_a_socket_is_on_its_way(folder: Path) -> None:
    with SystemLock("team", folder), pytest.raises(NotRunning, match="starting") as caught:
        await ControlClient("team", folder).__aenter__()
    assert caught.value.pid == os.getpid()


async def test_a_client_that_goes_away_withdraws_what_it_asked(folder: Path) -> None:
    journal = Journal()
    actor = Actor("a", journal, cancel_on_timeout=True)
    async with team(actor) as runtime, ControlServer(runtime, folder):
        async with ControlClient("team", folder) as one:
            holding = asyncio.create_task(one.request("ask", to="a", payload=None, type="hold"))
            await journal.until("hold a")
            holding.cancel()
        async with ControlClient("team", folder) as two:
            # Nobody releases the first: only its end lets this one be handled.
            assert (await two.request("ask", to="a", payload=1))["payload"] == 1


async def test_a_system_that_gives_no_answer_is_said_so_in_time(folder: Path) -> None:
    journal = Journal()
    async with (
        team(Actor("a", journal, shutdown_timeout=0)) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        with pytest.raises(NotAnswering, match=r"did not answer for 0\.01 s"):
            await client.request("ask", within=0.01, to="a", payload=None, type="hold")


async def test_the_traceback_of_a_handler_comes_along(folder: Path) -> None:
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        with pytest.raises(RemoteError, match="a crashes") as caught:
            await client.request("ask", to="a", payload=None, type="crash")
        assert "raise ValueError" in caught.value.traceback


class Large(Actor):
    async def handle(self, message):
        return self.reply(bytes(MAX_PAYLOAD - 8))


async def test_what_is_too_large_for_a_frame_is_refused_on_either_side(folder: Path) -> None:
    async with (
        team(Large("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        with pytest.raises(PayloadError, match="more than"):
            await client.request("send", to="a", payload=bytes(MAX_PAYLOAD - 8))
        with pytest.raises(RemoteError, match="more than") as caught:
            await client.request("ask", to="a", payload=None)
        assert caught.value.error_type == "PayloadError"


async def test_a_system_that_stops_before_it_answers_is_down(folder: Path) -> None:
    journal = Journal()
    async with team(Actor("a", journal, shutdown_timeout=0)) as runtime:
        async with ControlServer(runtime, folder):
            client = await ControlClient("team", folder).__aenter__()
            asking = asyncio.create_task(client.request("ask", to="a", payload=None, type="hold"))
            await journal.until("hold a")
        with pytest.raises(NodeDown, match="the system stopped"):
            await asking
        await client.__aexit__(None, None, None)


async def test_two_clients_do_not_wait_for_each_other(folder: Path) -> None:
    journal = Journal()
    actor = Actor("a", journal)
    async with (
        team(actor, Actor("b", journal)) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as one,
        ControlClient("team", folder) as two,
    ):
        holding = asyncio.create_task(one.request("ask", to="a", payload=None, type="hold"))
        await journal.until("hold a")
        assert (await two.request("ask", to="b", payload=1))["payload"] == 1
        actor.release.set()
        await holding


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x03\xd4\x06x",  # a Decimal of x
        b"\x00",
    ],
)
async def test_rubbish_on_the_socket_ends_that_connection_alone(
    folder: Path, rubbish: bytes
) -> None:
    async with team(Actor("a", Journal())) as runtime, ControlServer(runtime, folder) as server:
        reader, writer = await asyncio.open_unix_connection(socket_of(folder))
        writer.write(rubbish)
        writer.write_eof()
        answer = await reader.read()
        assert (b"not a Civitas frame" in answer or b"a Civitas client?" in answer) == (
            len(rubbish) > 4
        )
        writer.close()
        await eventually(lambda: not server._clients)
        async with ControlClient("team", folder) as client:
            assert (await client.request("ask", to="a", payload=1))["payload"] == 1


def test_a_folder_of_somebody_else_is_refused_by_both_sides(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not private to this user"):
        open_state_folder(folder)
    with pytest.raises(ConfigurationError, match="not private to this user"):
        asyncio.run(ControlClient("team", folder).__aenter__())


def test_a_folder_with_too_long_a_path_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="XDG_STATE_HOME to a folder with a shorter path"):
        open_state_folder(tmp_path / ("x" * 100))


def test_a_long_name_of_wide_characters_makes_a_short_folder(tmp_path: Path) -> None:
    assert len(state_folder("ä" * 200, tmp_path / "a.yaml").name.encode()) <= 41


def test_two_topologies_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    assert state_folder("team", tmp_path / "a.yaml") != state_folder("team", tmp_path / "b.yaml")


def test_a_running_system_is_found_after_the_login_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "wiped at logout"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with tempfile.TemporaryDirectory() as home:
        monkeypatch.setenv("HOME", home)
        folder = state_folder("team", tmp_path / "topology.yaml")
        assert folder.parent == Path(home, ".local", "state", "civitas")
        with SystemLock("team", folder):
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "another login"))
            assert holder(state_folder("team", tmp_path / "topology.yaml")) == os.getpid()
        for each in (folder.parent, folder):
            assert stat.S_IMODE(each.stat().st_mode) == 0o700


@pytest.mark.parametrize("unusable", ["x" * 200, "file", "of root", "relative"])
def test_without_a_state_home_that_can_hold_a_socket_the_temporary_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    (tmp_path / "file").touch()
    state_home = {"relative": "state"}.get(unusable, str(tmp_path / unusable))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_STATE_HOME", state_home)
    if unusable == "of root":
        monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    folder = state_folder("team", tmp_path / "topology.yaml")
    assert folder.parent == Path(tempfile.gettempdir(), f"civitas-{os.getuid()}")


def test_machines_that_share_a_home_run_a_system_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = state_folder("team", tmp_path / "topology.yaml")
    monkeypatch.setattr("civitas.topology.state_folder._machine", lambda: "another")
    assert state_folder("team", tmp_path / "topology.yaml") != here


@pytest.mark.promise(id="SEM-1764")
async def test_an_action_from_outside_says_who_acted(folder: Path) -> None:
    told: list[str] = []
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        runtime.on("acted", lambda event: told.append(event.message))
        for action in ("restart", "stop", "start", "pause", "resume"):
            await client.request(action, name="a", by="alice")
        overview = await client.request("overview")
        assert [each["name"] for each in overview["agents"]] == ["root", "a"]
    assert told == [
        "restart of 'a' by alice",
        "stop of 'a' by alice",
        "start of 'a' by alice",
        "pause of 'a' by alice",
        "resume of 'a' by alice",
    ]
