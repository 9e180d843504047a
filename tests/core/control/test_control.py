"""The door of a running system."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from civitas.control import ControlClient, ControlServer, state_folder
from civitas.control.client import RemoteError
from civitas.control.place import open_state_folder, socket_of
from civitas.errors import ConfigurationError, NodeDown
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, eventually


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return state_folder("team", tmp_path / "topology.yaml")


def team(*agents: Actor) -> Runtime:
    return Runtime(Supervisor("root", list(agents)), name="team", drain_timeout=0)


async def test_the_command_line_can_ask_send_and_see_the_tree(folder: Path) -> None:
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        reply = await client.request("ask", to="a", payload={"n": 1}, conversation="c")
        assert reply == {"sender": "a", "type": "reply", "payload": {"n": 1}, "conversation": "c"}
        await client.request("send", to="a", payload=2)
        handled = await client.request("ask", to="a", type="handled")
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
        with pytest.raises(RemoteError, match="knows no 'dance'"):
            await client.request("dance")
        with pytest.raises(RemoteError, match="lacks 'to'"):
            await client.request("ask")
        with pytest.raises(RemoteError, match="timeout"):
            await client.request("ask", to="planner", timeout=-1)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_folder_and_socket_are_the_owners_alone(folder: Path) -> None:
    async with team() as runtime, ControlServer(runtime, folder):
        assert mode(folder) == 0o700
        assert mode(socket_of(folder)) == 0o600
    assert [each.name for each in folder.iterdir()] == ["lock"]  # noqa: ASYNC240 - after the run


async def test_a_second_system_of_one_topology_is_refused_with_the_process_that_runs(
    folder: Path,
) -> None:
    async with team() as runtime, ControlServer(runtime, folder):
        with pytest.raises(ConfigurationError, match=rf"runs already \(process {os.getpid()}\)"):
            await ControlServer(runtime, folder).__aenter__()


async def test_what_a_killed_system_left_behind_is_no_obstacle(folder: Path) -> None:
    open_state_folder(folder)
    socket_of(folder).touch()
    (folder / "lock").write_text("1")
    async with (
        team(Actor("a", Journal())) as runtime,
        ControlServer(runtime, folder),
        ControlClient("team", folder) as client,
    ):
        assert (await client.request("ask", to="a", payload=1))["payload"] == 1


async def test_a_system_that_does_not_run_is_said_so(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="start it with `civitas run`"):
        await ControlClient("team", folder).__aenter__()


async def test_a_system_that_stops_before_it_answers_is_down(folder: Path) -> None:
    journal = Journal()
    async with team(Actor("a", journal, shutdown_timeout=0)) as runtime:
        async with ControlServer(runtime, folder):
            client = await ControlClient("team", folder).__aenter__()
            asking = asyncio.create_task(client.request("ask", to="a", type="hold"))
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
        holding = asyncio.create_task(one.request("ask", to="a", type="hold"))
        await journal.until("hold a")
        assert (await two.request("ask", to="b", payload=1))["payload"] == 1
        actor.release.set()
        await holding


@pytest.mark.parametrize("rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x01\xc1", b"\x00"])
async def test_rubbish_on_the_socket_ends_that_connection_alone(
    folder: Path, rubbish: bytes
) -> None:
    async with team(Actor("a", Journal())) as runtime, ControlServer(runtime, folder) as server:
        reader, writer = await asyncio.open_unix_connection(socket_of(folder))
        writer.write(rubbish)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await eventually(lambda: not server._clients)
        async with ControlClient("team", folder) as client:
            assert (await client.request("ask", to="a", payload=1))["payload"] == 1


def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    folder.parent.chmod(0o700)
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="not this user's alone"):
        open_state_folder(folder)


def test_two_topologies_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    assert state_folder("team", tmp_path / "a.yaml") != state_folder("team", tmp_path / "b.yaml")
