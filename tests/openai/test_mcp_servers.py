"""MCP servers of an agent, each a process of its own that speaks over its standard streams."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, function_tool, handoff
from agents.mcp import MCPServerStdio

from civitas import wrap
from civitas.errors import StartFailed
from civitas_openai import OpenAIAgent
from tests import mcp_server
from tests.core.frameworks.support import restarts, running
from tests.openai.support import Says, function


class Notes:
    """A server and what it noted.

    Args:
        path: Of what it notes.
    """

    def __init__(self, path: Path, **keywords: Any) -> None:
        self.path = path
        command = [str(mcp_server.__file__), str(path)]
        params: Any = {"command": sys.executable, "args": command}
        self.server = MCPServerStdio(params, name="notes", **keywords)

    @property
    def noted(self) -> list[str]:
        text = self.path.read_text() if self.path.exists() else ""
        return [line.split()[0] for line in text.splitlines()]

    @property
    def keys(self) -> list[str]:
        lines = [line.split() for line in self.path.read_text().splitlines()]
        return [line[-1] for line in lines if line[0] == "note"]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def follow(input: Any) -> Any:
    """Call the tools that the user names, one after the other."""
    asked = next(n for n in reversed(range(len(input))) if input[n].get("role") == "user")
    names = input[asked]["content"].split()
    done = [each["output"] for each in input[asked:] if "output" in each]
    if len(done) == len(names):
        return str(done[-1])
    return [function(names[len(done)], f"{len(input)}-{names[len(done)]}", '{"text": "x"}')]


def make(servers: list[Any], **keywords: Any) -> Agent[Any]:
    return Agent(name="a", model=Says(follow), mcp_servers=servers, **keywords)


async def say(runtime: Any, text: str, **keywords: Any) -> str:
    reply = await runtime.ask("o", {"input": text}, **keywords)
    return str(reply.payload["output"])


@pytest.mark.promise(id="SEM-1048")
async def test_the_servers_of_all_agents_are_connected_at_start_and_cleaned_up_at_stop(tmp_path):
    own, of_handoff, of_tool = (Notes(tmp_path / name) for name in ("own", "handoff", "tool"))
    expert = make([of_tool.server, own.server])
    clerk = make([of_handoff.server])
    first = make([own.server], handoffs=[handoff(clerk)], tools=[expert.as_tool("expert", "Ask.")])
    clerk.handoffs.append(first)
    async with running(OpenAIAgent("o", agent=first)) as runtime:
        assert [each.noted for each in (own, of_handoff, of_tool)] == [["begin"]] * 3
        assert "noted x" in await say(runtime, "note")
    assert own.noted == ["begin", "note", "end"]
    assert of_handoff.noted == of_tool.noted == ["begin", "end"]


@pytest.mark.promise(id="SEM-1048")
async def test_a_server_that_dies_is_a_failed_call_and_is_started_again(notes):
    async with running(OpenAIAgent("o", agent=make([notes.server]))) as runtime:
        answer = await say(runtime, "die note")
        assert restarts(runtime) == 0
    assert "noted x" in answer
    assert notes.noted == ["begin", "die", "begin", "note", "end"]


@pytest.mark.promise(id="SEM-1048")
async def test_a_server_that_cannot_be_started_again_fails_its_calls_until_it_can(notes, caplog):
    down = notes.path.with_name("notes.down")
    async with running(OpenAIAgent("o", agent=make([notes.server]))) as runtime:
        down.touch()
        assert "error occurred" in await say(runtime, "die note")
        assert restarts(runtime) == 0
        down.unlink()
        assert "noted x" in await say(runtime, "note")
    assert "cannot be started again" in caplog.text


@pytest.mark.promise(id="SEM-1048")
async def test_a_server_that_is_not_there_is_a_failed_start_that_leaves_no_other_behind(tmp_path):
    there, missing = Notes(tmp_path / "there"), Notes(tmp_path / "missing")
    (tmp_path / "missing.down").touch()
    agent = make([there.server, missing.server])
    with pytest.raises(StartFailed, match="its MCP server 'notes' cannot be connected"):
        async with running(OpenAIAgent("o", agent=agent)):
            pass
    assert there.noted == ["begin", "end"]


@pytest.mark.promise(id="SEM-1048")
async def test_a_server_whose_connection_is_cancelled_from_inside_is_a_failed_start(notes):
    """As it is now and then where its process ends while it is greeted."""
    connect = notes.server.connect

    async def cut_off():
        await connect()
        raise asyncio.CancelledError

    notes.server.connect = cut_off
    with pytest.raises(StartFailed, match="its MCP server 'notes' cannot be connected: Cancelled"):
        async with running(OpenAIAgent("o", agent=make([notes.server]))):
            pass
    assert notes.noted == ["begin", "end"]


async def test_a_server_is_connected_once_for_all_conversations(notes):
    pool: Any = wrap(make([notes.server]), name="o", per_conversation=True)
    async with running(pool) as runtime:
        for who in ("ann", "bob"):
            assert "noted x" in await say(runtime, "note", conversation=who)
    assert notes.noted == ["begin", "note", "note", "end"]


async def test_a_server_that_the_user_connected_is_left_to_the_user(notes):
    async with notes.server:
        async with running(OpenAIAgent("o", agent=make([notes.server]))) as runtime:
            assert "noted x" in await say(runtime, "note")
        assert notes.noted == ["begin", "note"]


@pytest.mark.promise(id="SEM-1047")
async def test_a_call_of_a_server_is_made_once_in_a_durable_run_and_brings_its_key(notes):
    failed: list[int] = []

    @function_tool(failure_error_function=None)
    async def flaky(text: str) -> str:
        """Fail once."""
        failed.append(1)
        if len(failed) == 1:
            raise OSError("once")
        return "recovered"

    agent = make([notes.server], tools=[flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert await say(runtime, "note flaky") == "recovered"
    assert failed == [1, 1]
    assert [each for each in notes.noted if each == "note"] == ["note"]
    assert notes.keys == ["1-note"]


async def test_a_call_of_a_server_may_need_approval(tmp_path):
    notes = Notes(tmp_path / "notes", require_approval="always")
    async with running(OpenAIAgent("o", agent=make([notes.server]))) as runtime:
        asked = await runtime.ask("o", {"input": "note"}, conversation="c")
        (question,) = asked.payload["interrupts"]
        assert question["value"] == {"name": "note", "arguments": {"text": "x"}}
        assert notes.noted == ["begin"]
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert "noted x" in str(reply.payload["output"])
