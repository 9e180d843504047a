"""Where a node is reached over ZMQ, and who may reach it there."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from civitas.errors import ConfigurationError
from civitas.transport.zmq import ZmqTransport
from civitas.transport.zmq.keys import Keys

LOOPBACK = "tcp://127.0.0.1:*"


def port_of(address: str) -> int:
    return int(address.partition("#")[0].rpartition(":")[2])


async def test_the_default_is_a_socket_that_its_user_alone_can_reach(end):
    here = await end()
    path = Path(here.address.removeprefix("ipc://").partition("#")[0])
    assert modes(path.parent) == (True, 0o700)
    await here.transport.close()
    assert modes(path.parent) is None


def modes(folder: Path) -> tuple[bool, int] | None:
    """Whether a folder holds a socket alone, and its rights; None where there is no folder."""
    if not folder.exists():
        return None
    alone = all(stat.S_ISSOCK(each.stat().st_mode) for each in folder.iterdir())
    return alone, stat.S_IMODE(folder.stat().st_mode)


async def test_the_socket_is_made_in_the_folder_that_is_given(end, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    short = len(os.fsencode(folder)) < 80
    assert (str(folder) in (await end(folder=folder)).address) == short


@pytest.mark.promise(id="SEM-1140")
async def test_the_sockets_of_nodes_that_were_killed_are_removed(end, tmp_path, monkeypatch):
    """Not those where somebody listens, nor one that was made just now."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    lives = await end()
    left, new = tmp_path / "zmq-left", tmp_path / "zmq-new"
    for folder in (left, new):
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder / "s"))
    os.utime(left / "s", (1, 1))
    os.utime(lives.address.removeprefix("ipc://").partition("#")[0], (1, 1))
    await end()
    assert (left.exists(), new.exists()) == (False, True)
    assert len(list(tmp_path.glob("zmq-*/s"))) == 3


async def test_a_folder_whose_path_is_too_long_for_a_socket_is_no_obstacle(end, tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    here = await end(folder=folder)
    here.connect(here.address).send(b"hello")
    assert await here.has(1) == [b"hello"]


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:*", "tcp://*:5555", "tcp://192.0.2.1:5555"])
async def test_an_address_that_others_can_reach_needs_keys(address):
    with pytest.raises(ConfigurationError, match="civitas keys new"):
        await ZmqTransport(address=address).open(print)


async def test_keys_of_this_machine_alone_are_none_for_an_address_that_others_can_reach():
    with pytest.raises(ConfigurationError, match="civitas keys new"):
        await ZmqTransport(address="tcp://192.0.2.1:*", keys=Keys.new(), shared=False).open(print)


@pytest.mark.promise(id="SEM-1176")
@pytest.mark.parametrize("owner", ["this user", "another"])
async def test_a_socket_lets_in_its_own_user_alone(end, monkeypatch, owner):
    own = os.getuid()
    with monkeypatch.context() as patch:
        if owner == "another":
            patch.setattr(os, "getuid", lambda: own + 1)
        there = await end()
    link = (here := await end(node_timeout=0.2)).connect(there.address)
    link.send(b"hello")
    if owner == "this user":
        assert await there.has(1) == [b"hello"]
    else:
        await here.until(lambda: here.lost == 1)
        assert there.arrived == []


@pytest.mark.promise(id="SEM-1176")
async def test_the_folder_of_a_socket_is_its_owners_alone(end):
    path = Path((await end()).address.partition("#")[0].removeprefix("ipc://"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o700  # noqa: ASYNC240


async def test_an_address_for_all_interfaces_says_not_where_others_find_it():
    with pytest.raises(ConfigurationError, match="give its name or address"):
        await ZmqTransport(address="tcp://0.0.0.0:*", keys=Keys.new()).open(print)


async def test_a_port_that_is_taken_is_named(end):
    there = await end(address=LOOPBACK)
    address = f"tcp://127.0.0.1:{port_of(there.address)}"
    with pytest.raises(ConfigurationError, match=f"{address}.*another program has the port"):
        await ZmqTransport(address=address).open(print)


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://host", "udp://127.0.0.1:1", "ipc://@abstract"]
)
async def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigurationError, match="is not an address"):
        await ZmqTransport(address=address).open(print)


async def test_a_transport_that_is_not_open_cannot_connect(end):
    with pytest.raises(ConfigurationError, match="not open"):
        ZmqTransport().connect((await end()).address)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused(seconds):
    with pytest.raises(ConfigurationError, match="node_timeout"):
        ZmqTransport(node_timeout=seconds)


# Keys.


@pytest.mark.parametrize("whose", ["none", "others", "public only"])
async def test_who_does_not_have_the_keys_is_not_let_in_and_both_sides_say_so(end, caplog, whose):
    caplog.set_level(logging.WARNING, "civitas.transport")
    keys, other = Keys.new(), Keys.new()
    there = await end(address=LOOPBACK, keys=keys)
    theirs = {"none": None, "others": other}
    here = await end(keys=theirs.get(whose, keys))
    if whose == "public only":
        lock = "civitas.transport.zmq.transport.lock_client"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lock, lambda socket, _: _with_keys(socket, keys.public, other))
            link = here.connect(there.address)
    else:
        link = here.connect(there.address)
    link.send(b"let me in")
    await here.until(lambda: here.lost == 1)
    assert there.arrived == []
    assert "does not let this one in" in caplog.text
    async with asyncio.timeout(10):  # the other side hears of it in its own time
        while "refused a node" not in caplog.text:
            await asyncio.sleep(0.005)


def _with_keys(socket, server, own):
    socket.curve_serverkey = server.encode()
    socket.curve_publickey = own.public.encode()
    socket.curve_secretkey = own.secret.encode()


async def test_who_has_keys_does_not_speak_to_those_without(end, caplog):
    there = await end(address=LOOPBACK)
    here = await end(keys=Keys.new())
    here.connect(there.address).send(b"secret")
    await here.until(lambda: here.lost == 1)
    assert there.arrived == []
    assert "does not let this one in" in caplog.text
