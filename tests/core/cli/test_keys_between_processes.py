"""TCP between the root and a process that is started elsewhere: with the same keys, with others, with none."""

from __future__ import annotations

import asyncio
import signal
import socket
import stat
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from civitas.control import state_folder
from civitas.transport.zmq.keys import Keys
from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Civitas = Callable[..., Result]
Beside = Callable[..., Awaitable[Result]]

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

ECHO = """
from pathlib import Path

class Echo(AgentProcess):
    async def handle(self, message):
        if message.payload == "wait":
            await self.what_never_comes()
        while message.payload == "block" and not Path("may-go").exists():
            time.sleep(0.01)
        return self.reply(message.payload)

    async def what_never_comes(self):
        await asyncio.Event().wait()
"""
TEAM = ("name: far, type: team.Echo, process: gpu", "name: own, type: team.Echo, process: worker")
GPU = "processes: {gpu: {start: false}}"


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found: int = taken.getsockname()[1]
        return found


@pytest.mark.promise(id="SEM-825")
@pytest.mark.promise(id="SEM-1175")
@pytest.mark.parametrize("keys", ["", ", keys: none"])
async def test_over_tcp_they_find_each_other_with_the_keys_of_their_user_and_without(
    start: Start, project: Project, beside: Beside, port: int, keys: str
) -> None:
    transport = f"transport: {{type: zmq, address: 'tcp://127.0.0.1:{port}'{keys}}}\n"
    topology = project(ECHO, *TEAM, top=transport + GPU)
    worker = await start("run", topology, "--process", "gpu")
    await worker.until(f"waiting    gpu  for the root at tcp://127.0.0.1:{port}")
    root = await start("run", topology)
    await root.until("ready")
    for name in ("far", "own"):
        assert (await beside("ask", topology, name, '"hello"')).out.strip() == '"hello"'
    for each in (worker, root):
        each.signal(signal.SIGTERM)
        done = await each.end()
        assert done.code == 0
        assert done.err.count("keys: none: what travels") == ("none" in keys)
    kept = state_folder("civitas", topology) / "keys"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.promise(id="SEM-1174")
async def test_a_process_with_another_token_is_not_answered_and_both_sides_say_so(
    start: Start, project: Project, tmp_path: Path, port: int
) -> None:
    top = (
        f"transport: {{type: zmq, address: 'tcp://127.0.0.1:{port}', keys: none}}\n"
        "processes: {gpu: {start: false, start_timeout: null}}"
    )
    topology = project(ECHO, TEAM[0], top=top)
    stranger = tmp_path / "stranger.yaml"  # another file, and so another state folder
    stranger.write_text(topology.read_text())
    root = await start("run", topology)
    worker = await start("run", stranger, "--process", "gpu")
    assert worker.process.stderr is not None
    async with asyncio.timeout(40):
        while b"does not answer: it is stopping, or has another token" not in (
            await worker.process.stderr.readline()
        ):
            pass
    for each in (worker, root):
        each.signal(signal.SIGTERM)
    await worker.end()
    assert (
        "turned a stranger away: its HELLO shows no token of this system" in (await root.end()).err
    )


@pytest.mark.promise(id="SEM-825")
async def test_with_other_keys_a_process_is_refused_and_both_sides_say_so(
    start: Start, project: Project, civitas: Civitas, tmp_path: Path, port: int
) -> None:
    civitas("keys", "new", tmp_path / "civitas.keys")
    civitas("keys", "new", tmp_path / "other.keys")
    top = (
        f"transport: {{type: zmq, address: 'tcp://127.0.0.1:{port}', keys: civitas.keys}}\n"
        "processes: {gpu: {start: false, start_timeout: 4}}\nruntime: {node_timeout: 1}"
    )
    topology = project(ECHO, TEAM[0], top=top)
    root = await start("run", topology)
    stranger = tmp_path / "stranger.yaml"
    stranger.write_text(topology.read_text().replace("civitas.keys", "other.keys"))
    worker = await start("run", stranger, "--process", "gpu")
    done = await root.end()
    assert done.code == 1
    assert "it is not part of this system, or does not have its keys" in done.err
    worker.signal(signal.SIGTERM)
    assert "does not let this one in; do both have the same keys?" in (await worker.end()).err


@pytest.mark.promise(id="SEM-1173")
@pytest.mark.parametrize("command", [("run",), ("topology", "validate")])
def test_keys_that_do_not_belong_together_are_told_in_one_line(
    project: Project, civitas: Civitas, tmp_path: Path, command: tuple[str, ...]
) -> None:
    replace(Keys.new(), public=Keys.new().public).save(tmp_path / "civitas.keys")
    transport = "transport: {type: zmq, address: 'tcp://127.0.0.1:5555', keys: civitas.keys}\n"
    topology = project(ECHO, *TEAM, top=transport)
    done = civitas(*command, topology)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert f"{topology}:1: the public and the secret key in {tmp_path / 'civitas.keys'}" in line


@pytest.mark.promise(id="SEM-825")
async def test_an_address_that_others_can_reach_is_refused_without_keys(
    start: Start, project: Project
) -> None:
    transport = "transport: {type: zmq, address: 'tcp://0.0.0.0:5555'}\n"
    done = await (await start("run", project(ECHO, *TEAM, top=transport))).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "tcp://0.0.0.0:5555 can be reached from other machines, which takes keys" in line
    assert "`civitas keys new`" in line


@pytest.mark.promise(id="SEM-825")
async def test_a_socket_at_a_path_is_the_owners_alone(
    start: Start, project: Project, beside: Beside, tmp_path: Path
) -> None:
    topology = project(
        ECHO, TEAM[0], top=f"transport: {{type: zmq, address: 'ipc://root.sock'}}\n{GPU}"
    )
    worker = await start("run", topology, "--process", "gpu")
    root = await start("run", topology)
    await root.until("ready")
    assert (tmp_path / "root.sock").stat().st_mode & 0o777 == 0o700
    assert (await beside("ask", topology, "far", "1")).out.strip() == "1"
    for each in (worker, root):
        each.signal(signal.SIGTERM)
        assert (await each.end()).code == 0


@pytest.mark.promise(id="SEM-825")
@pytest.mark.promise(id="SEM-1175")
@pytest.mark.promise(id="SEM-1756")
async def test_with_the_same_keys_they_find_each_other_also_by_way_of_a_root_that_is_blocked(
    start: Start,
    project: Project,
    civitas: Civitas,
    beside: Beside,
    tmp_path: Path,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def machine(name: str) -> None:
        """What runs from now on sees no state folder and no socket of another one."""
        (folder := tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))

    assert civitas("keys", "new", tmp_path / "civitas.keys").code == 0
    transport = f"transport: {{type: zmq, address: 'tcp://127.0.0.1:{port}', keys: civitas.keys}}\n"
    topology = project(
        ECHO,
        f"{TEAM[0]}, shutdown_timeout: 0",
        "name: near, type: team.Echo",
        top=f"{transport}{GPU}\nruntime: {{drain_timeout: 0}}",
    )
    machine("w")
    worker = await start("run", topology, "--process", "gpu", cwd=tmp_path)
    machine("r")
    root = await start("run", topology, cwd=tmp_path)
    await root.until("ready")
    for name in ("far", "near"):
        assert (await beside("ask", topology, name, '"hello"')).out.strip() == '"hello"'
    assert not (state_folder("civitas", topology) / "keys").exists()
    assert (await beside("send", topology, "far", '"wait"')).code == 0
    assert (await beside("send", topology, "near", '"block"')).code == 0
    try:
        for where in ("r", "third"):  # by the window of the root, and over TCP
            machine(where)
            seen = await beside("inspect", topology, "far", "--stack")
            assert "the event loop of 'root' is blocked by 'near' for" in seen.out
            assert "in Echo.what_never_comes" in seen.out
    finally:
        (tmp_path / "may-go").touch()
    for each in (worker, root):
        each.signal(signal.SIGTERM)
        assert (await each.end()).code == 0
