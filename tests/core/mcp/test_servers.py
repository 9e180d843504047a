"""MCP servers as agents: their tools, their deaths, and what is wrong with them. Each is a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from civitas import Runtime, Supervisor
from civitas.errors import AskTimeout, ConfigurationError, StartFailed, ToolFailed
from civitas.mcp import McpServer
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.telemetry import names
from tests import mcp_server
from tests.core.frameworks.support import restarts
from tests.core.telemetry.support import Metered, Recorded


class Caller(AgentProcess):
    """Calls the tool that a message names, and says what became of it."""

    async def handle(self, message: Message) -> Message:
        assert self.tools is not None
        name, text = message.payload
        try:
            return self.reply(await self.tools.call(name, text=text))
        except ToolFailed as error:
            return self.reply(f"{error.tool} of {error.server}: {error}")


class Server:
    """A server and what it notes.

    Args:
        notes: The file of that.
    """

    def __init__(self, notes: Path) -> None:
        self.notes = notes
        self.command = [sys.executable, mcp_server.__file__, str(notes)]

    def agent(self, name: str = "notes", **keywords: Any) -> McpServer:
        return McpServer(name, command=self.command, **keywords)

    @property
    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def goes_down(self) -> None:
        Path(f"{self.notes}.down").touch()

    @property
    def pid(self) -> int:
        return int([line.split()[1] for line in self.noted if line.startswith("begin ")][-1])

    async def until(self, word: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while sum(line.split()[0] == word for line in self.noted) < times:
                await asyncio.sleep(0.005)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "notes")


def system(*servers: McpServer, **keywords: Any) -> Runtime:
    callers = [Caller(name, cancel_on_timeout=True) for name in ("a", "b")]
    tree = Supervisor("root", [*servers, *callers], backoff="none", max_restarts=100)
    return Runtime(tree, **keywords)


@pytest.mark.promise(id="SEM-1881")
async def test_the_tools_of_a_server_are_those_of_every_agent(server: Server) -> None:
    """A text comes as it is, a structured result as what it says."""
    async with system(server.agent()) as runtime:
        assert (await runtime.ask("a", ["note", "x"])).payload == "noted x"
        assert (await runtime.ask("b", ["count", "four"])).payload == 4
        assert "the tool 'fail' of the MCP server 'notes' failed: noted y" in (
            (await runtime.ask("a", ["fail", "y"])).payload
        )
        assert (await runtime.ask("notes", None)).payload["tools"][:2] == ["note", "fail"]
    await server.until("end")


@pytest.mark.promise(id="SEM-1894")
async def test_a_call_of_a_server_is_a_span_below_its_handler_and_counts(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, metered = Recorded(monkeypatch), Metered(monkeypatch)
    async with system(server.agent()) as runtime:
        await runtime.ask("a", ["note", "x"])
        await runtime.ask("a", ["fail", "y"])
        points = metered.points()[names.TOOL_DURATION]
    handled, *_ = [span for span in recorded.spans if span.name == "process a"]
    noted, failed = recorded.span("execute_tool note"), recorded.span("execute_tool fail")
    assert noted.parent is not None
    assert handled.context is not None
    assert noted.parent.span_id == handled.context.span_id
    assert (noted.status.status_code, failed.status.status_code) == (
        StatusCode.UNSET,
        StatusCode.ERROR,
    )
    assert sorted((each[names.TOOL_NAME], count) for each, count in points) == [
        ("fail", 1),
        ("note", 1),
    ]


@pytest.mark.promise(id="SEM-1882")
async def test_a_server_that_dies_fails_the_call_and_is_started_again(server: Server) -> None:
    """Nobody else is restarted for it."""
    async with system(server.agent()) as runtime:
        said = (await runtime.ask("a", ["die", ""])).payload
        assert "the server has ended before it had answered" in said
        await server.until("begin", 2)
        async with asyncio.timeout(10):
            while (said := (await runtime.ask("a", ["note", "x"])).payload) != "noted x":
                assert "try once more" in said
        assert [child["restarts"] for child in runtime.tree()["children"]] == [1, 0, 0]


@pytest.mark.promise(id="SEM-1882")
async def test_a_server_that_dies_idle_is_started_again_at_once(server: Server) -> None:
    async with system(server.agent()) as runtime:
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while restarts(runtime) != 1:
                await asyncio.sleep(0.005)


@pytest.mark.promise(id="SEM-1883")
async def test_a_call_without_an_answer_ends_in_time_and_others_go_on_beside_it(
    server: Server,
) -> None:
    async with system(server.agent(timeout=0.3)) as runtime:
        hanging = asyncio.create_task(runtime.ask("a", ["hang", ""]))
        await server.until("hang")
        assert (await runtime.ask("b", ["note", "x"])).payload == "noted x"
        assert "it did not answer within 0.3 s" in (await hanging).payload


@pytest.mark.promise(id="SEM-1884")
async def test_a_call_is_cancelled_with_the_handler_that_made_it(server: Server) -> None:
    async with system(server.agent()) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("a", ["hang", ""], timeout=0.3)
        if not version("mcp").startswith("1."):  # whose client does not tell the server
            await server.until("cancelled")
        assert (await runtime.ask("a", ["note", "x"])).payload == "noted x"


@pytest.mark.promise(id="SEM-1885")
async def test_two_servers_with_a_tool_of_one_name_need_a_prefix(tmp_path: Path) -> None:
    one, other = Server(tmp_path / "one"), Server(tmp_path / "other")
    with pytest.raises(StartFailed, match="'other' has a tool 'note', and there is another"):
        async with system(one.agent("one"), other.agent("other")):
            pytest.fail("it started")
    async with system(one.agent("one"), other.agent("other", prefix="other_")) as runtime:
        assert (await runtime.ask("a", ["note", "x"])).payload == "noted x"
        assert (await runtime.ask("a", ["other_note", "y"])).payload == "noted y"


@pytest.mark.promise(id="SEM-1886")
async def test_a_server_that_does_not_start_is_a_failed_start(server: Server) -> None:
    server.goes_down()
    with pytest.raises(StartFailed, match="MCP server 'notes' did not start"):
        async with system(server.agent()):
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1886")
async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(StartFailed, match="there is no program 'no-such-server'"):
        async with system(McpServer("m", command=["no-such-server"])):
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1886")
@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"command": "uvx mcp-server-time"}, "command must be a list"),
        ({"command": []}, "command must be a list"),
        ({"command": ["x"], "prefix": "a b"}, "prefix must be up to 40 letters"),
        ({"command": ["x"], "timeout": 0}, "timeout must be a number of seconds > 0"),
    ],
)
def test_what_does_not_fit_is_refused(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        McpServer("m", **keywords)


@pytest.mark.promise(id="SEM-1887")
async def test_a_topology_names_servers_and_they_start_before_all_else(server: Server) -> None:
    """Under a supervisor of their own, which does not give up."""
    topology = {
        "mcp": {"notes": {"command": server.command}},
        "supervision": {"name": "root", "children": [{"agent": {"name": "a", "type": "Caller"}}]},
    }
    async with Runtime.from_config(topology, agent_classes={"Caller": Caller}) as runtime:
        first = runtime.tree()["children"][0]
        assert (first["name"], [each["name"] for each in first["children"]]) == ("mcp", ["notes"])
        assert (await runtime.ask("a", ["note", "x"])).payload == "noted x"
