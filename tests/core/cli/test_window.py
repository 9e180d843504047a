"""What is seen of an OS process while its event loop is blocked."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.cli.windows import inspected
from civitas.control import ControlClient, ControlServer, state_folder
from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.node.window import Window, look_through
from civitas.topology.state_folder import open_state_folder, window_of
from tests.core.cli.support import Result


class Blocks(AgentProcess):
    there = threading.Event()
    may_go = threading.Event()

    async def handle(self, message: Message) -> None:
        if message.payload == "hold":
            await asyncio.Event().wait()
        self.there.set()
        assert self.may_go.wait(10)


def beside(look: Callable[[], None]) -> threading.Thread:
    """Call `look` in a thread when an agent blocks the event loop, which it does until that returns."""
    Blocks.there.clear()
    Blocks.may_go.clear()

    def looks() -> None:
        try:
            assert Blocks.there.wait(10)
            look()
        finally:
            Blocks.may_go.set()

    thread = threading.Thread(target=looks)
    thread.start()
    return thread


def team() -> Runtime:
    children = [Blocks("stuck"), Blocks("other", shutdown_timeout=0)]
    return Runtime(Supervisor("root", children), name="window", drain_timeout=0)


@pytest.mark.promise(id="SEM-1769")
async def test_the_stack_is_seen_while_the_loop_is_blocked(tmp_path: Path) -> None:
    path, seen = tmp_path / "w", []

    def look() -> None:
        seen.append(asyncio.run(look_through(path, "stuck", None, 5)))
        seen.append(asyncio.run(look_through(path, "other", 0.05, 5)))

    async with team() as runtime:
        with Window(runtime._node, path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            looking = beside(look)
            await runtime.send("other", "hold")
            await runtime.send("stuck", "block")
            await asyncio.to_thread(looking.join)
            turning = await look_through(path, "stuck", None, 5)
            nobody = await look_through(path, "nobody", None, 5)
        assert not path.exists()
    stuck, other = seen
    assert stuck is not None
    assert stuck["agent"] is not None
    assert stuck["blocked"] is not None
    assert stuck["blocked"]["by"] == "stuck"
    assert stuck["blocked"]["seconds"] >= 0.1
    assert "assert self.may_go.wait(10)" in [each["code"] for each in stuck["agent"]["stack"]]
    assert stuck["agent"]["handling"]["type"] == "message"
    assert other is not None
    assert other["agent"] is not None
    assert other["agent"]["blocked"]["by"] == "stuck"
    assert other["agent"]["stack"][-1]["function"] == "Event.wait"
    assert other["agent"]["profile"]["waits"] > 0
    assert other["agent"]["profile"]["others"]["stuck"] > 0
    assert turning is not None
    assert turning["blocked"] is None
    assert nobody is not None
    assert nobody["agent"] is None


@pytest.mark.promise(id="SEM-1769")
async def test_the_command_line_prints_it_at_once(
    civitas: Callable[..., Result], project: Callable[..., Path]
) -> None:
    topology = project("", "name: a, type: team.A", top="name: window")
    folder = state_folder("window", topology)
    open_state_folder(folder)
    printed: list[Result] = []

    def look() -> None:
        for words in (("stuck", "--stack"), ("other", "--json"), ("nobody",)):
            printed.append(civitas("inspect", topology, *words))  # noqa: PERF401  # one by one

    async with team() as runtime, ControlServer(runtime, folder):
        looking = beside(look)
        await runtime.send("other", "hold")
        await runtime.send("stuck", "block")
        await asyncio.to_thread(looking.join)
        async with ControlClient("window", folder) as client:
            await client.request("tree")  # behind those that have gone
    stack, other, nobody = printed
    assert "the event loop of 'root' is blocked by 'stuck' for" in stack.out
    assert "assert self.may_go.wait(10)" in stack.out
    plain = json.loads(other.out)
    assert plain["blocked"]["by"] == "stuck"
    assert plain["handling"]["type"] == "message"
    assert nobody.code == 1
    assert "blocked by agent 'stuck'" in nobody.err


class SilentRoot:
    """A root on another machine that waits for the process here itself."""

    async def request(
        self, operation: str, *, within: float | None = None, **arguments: Any
    ) -> Any:
        await asyncio.Event().wait()


@pytest.mark.promise(id="SEM-1769")
async def test_a_process_whose_root_runs_elsewhere_is_seen_on_its_own_machine(
    project: Callable[..., Path],
) -> None:
    topology = project("", "name: a, type: team.A", top="name: window")
    folder = state_folder("window", topology)
    open_state_folder(folder)
    found: list[dict[str, Any]] = []

    def look() -> None:
        found.append(asyncio.run(inspected(topology, SilentRoot(), "stuck")))

    async with team() as runtime:
        runtime._node.name = "w"
        with Window(runtime._node, window_of(folder, 1)):
            looking = beside(look)
            await runtime.send("stuck", "block")
            await asyncio.to_thread(looking.join)
    assert found[0]["blocked"]["node"] == "w"
    assert found[0]["handling"]["type"] == "message"


async def test_what_is_no_request_is_answered_as_such(tmp_path: Path) -> None:
    path = tmp_path / "w"
    async with team() as runtime:
        with Window(runtime._node, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"\x00" * 100)
            writer.write_eof()
            assert "the request failed" in decode(await reader.read())["error"]
            writer.close()
            with pytest.raises(ConfigurationError, match="up to 60 seconds"):
                await look_through(path, "stuck", 100, 5)


async def test_an_agent_that_is_too_large_to_be_shown_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w"
    for limit in ("MAX_PAYLOAD", "_KEEP_BELOW"):
        monkeypatch.setattr(f"civitas.message.codec.{limit}", 2000)
    async with team() as runtime:
        agent: Any = runtime._node.registry["stuck"]
        agent.incarnation.agent.state["book"] = "x" * 2000
        with (
            Window(runtime._node, path),
            pytest.raises(ConfigurationError, match="more than the 2,000"),
        ):
            await look_through(path, "stuck", None, 5)


async def test_those_who_look_slowly_hold_up_no_stop(tmp_path: Path) -> None:
    path = tmp_path / "w"
    async with team() as runtime:
        with ExitStack() as slow:
            with Window(runtime._node, path) as window:
                for _ in range(12):  # of whom some wait for room
                    looker = slow.enter_context(socket.socket(socket.AF_UNIX))
                    looker.connect(str(path))
                    looker.send(b"x")
                while len(window._lookers) < 8:
                    await asyncio.sleep(0)
                began = time.monotonic()
            assert time.monotonic() - began < 1


async def test_a_window_goes_on_when_there_were_too_many_open_files(tmp_path: Path) -> None:
    path = tmp_path / "w"
    most = resource.getrlimit(resource.RLIMIT_NOFILE)

    def ask(looker: socket.socket) -> dict[str, Any]:
        looker.connect(str(path))
        looker.sendall(encode({"agent": None}, "request"))
        looker.shutdown(socket.SHUT_WR)
        looker.settimeout(5)
        return dict(decode(looker.recv(4096)))

    async with team() as runtime:
        with (
            Window(runtime._node, path),
            socket.socket(socket.AF_UNIX) as first,
            socket.socket(socket.AF_UNIX) as second,
        ):
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, most[1]))
            again = asyncio.get_running_loop().call_later(
                0.02, resource.setrlimit, resource.RLIMIT_NOFILE, most
            )
            try:
                for looker in (first, second):  # some kernels have a file left for the first
                    assert await asyncio.to_thread(ask, looker)
            finally:
                again.cancel()
                resource.setrlimit(resource.RLIMIT_NOFILE, most)


async def test_a_window_of_a_process_that_is_gone_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w"
    assert await look_through(path, "a", None, 5) is None
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert await look_through(path, "a", None, 5) is None


async def test_a_path_that_is_too_long_is_no_obstacle(tmp_path: Path) -> None:
    async with team() as runtime:
        with Window(runtime._node, tmp_path / ("w" * 200)):
            pass
