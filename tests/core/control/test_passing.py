"""What passes between two versions of a program."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from civitas import ConfigurationError, Runtime, Supervisor
from civitas.cluster.calls import Calls
from civitas.cluster.guests import Guests
from civitas.cluster.peers import Peers
from civitas.cluster.seal import Seal
from civitas.control import ControlClient, ControlServer
from civitas.control.client import RemoteError
from civitas.control.marks import PASS_ON, PASSING, is_passing, taking_over
from civitas.control.passing import take_over
from civitas.testing import MemoryNetwork
from civitas.topology.state_folder import open_state_folder
from tests.core.support import Actor, Journal


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not below tmp_path, whose name is that of the test: the path of a socket must be short.
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "civitas" / "team"
        open_state_folder(folder)
        yield folder


def team() -> Runtime:
    return Runtime(Supervisor("root", children=[Actor("a", Journal())]), name="team")


async def test_the_sockets_go_to_the_one_that_takes_over_and_others_are_told_to_wait(
    folder: Path,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        async with team() as runtime, ControlServer(runtime, folder) as door:
            taking = asyncio.create_task(take_over("team", folder))
            await asyncio.wait_for(asyncio.shield(door.successor), 5)
            async with ControlClient("team", folder) as client:
                with pytest.raises(RemoteError, match="another version is taking over already"):
                    await client.request(PASS_ON, sockets="")
            await door.release([listener])
            (taken,) = await taking
            with taken:
                assert taken.getsockname() == listener.getsockname()


async def test_who_comes_while_another_version_takes_over_is_answered_by_that(folder: Path) -> None:
    with taking_over(folder):
        async with team() as old, ControlServer(old, folder) as door:
            taking = asyncio.create_task(take_over("team", folder))
            await asyncio.wait_for(asyncio.shield(door.successor), 5)
            client = ControlClient("team", folder)
            await client.__aenter__()
            asking = asyncio.create_task(client.request("tree"))
            await door.release([])
            assert await taking == []
            await door.answered()
        async with team() as new, ControlServer(new, folder):
            assert (await asyncio.wait_for(asking, 5))["name"] == "root"
            await client.__aexit__(None, None, None)


@pytest.mark.promise(id="SEM-1832")
async def test_whoever_stays_connected_goes_on_with_the_next_version_once_that_is_there(
    folder: Path,
) -> None:
    async def forward(request: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": "of the next one, by way of the old one"}

    async with team() as old, ControlServer(old, folder), ControlClient("team", folder) as client:
        old._node.next_program.forward = forward
        assert await client.request("tree") == "of the next one, by way of the old one"
        async with team() as new, ControlServer(new, folder):
            assert (await client.request("tree"))["name"] == "root"


@pytest.mark.promise(id="SEM-1819")
async def test_who_asks_over_the_transport_while_the_lead_passes_is_sent_to_the_next_root(
    folder: Path,
) -> None:
    async with team() as old:
        guests = Guests("boot", Seal("token"), MemoryNetwork().transport(), Peers(), Calls())
        old._node.guests = guests  # type: ignore[attr-defined]  # a single process has none
        async with ControlServer(old, folder) as door:
            assert guests.answers is not None
            door.is_asked_to_pass_on()
            asking = asyncio.create_task(_awaited(guests.answers({"op": "tree"}, print)))
            await asyncio.sleep(0)
            assert not asking.done()
            await guests.pass_on(old._node.asks)
            assert await asking == {PASSING: True}


async def _awaited(answer: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
    return await answer


async def test_where_nothing_runs_there_is_nothing_to_take_over(folder: Path) -> None:
    assert await take_over("team", folder) == []


def test_two_do_not_take_over_at_once(folder: Path) -> None:
    with taking_over(folder):
        assert is_passing(folder)
        with (
            pytest.raises(ConfigurationError, match="another version is taking over"),
            taking_over(folder),
        ):
            pass
    assert not is_passing(folder)
