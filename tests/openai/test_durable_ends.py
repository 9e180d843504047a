"""Durable runs that stream, wait for an approval, hand on an answer, or end badly."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from agents import (
    Agent,
    Runner,
    function_tool,
)

from civitas.demo.model_server import ToolCall
from civitas.errors import HandlerFailed
from civitas_openai import OpenAIAgent, handoff_to
from tests.core.frameworks.support import restarts, running
from tests.openai.flaky_tools import ToolCalls, Tools


@pytest.mark.promise(id="SEM-968")
async def test_a_stream_goes_on_without_repeating_a_chunk(scripted):
    tools = Tools()
    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "all is done")
    agent = Agent(name="a", model=scripted(calls), tools=tools.all)
    async with (
        running(OpenAIAgent("o", agent=agent, durable=True)) as runtime,
        aclosing(runtime.stream("o", {"input": "hi"})) as stream,
    ):
        heard = [(each.type, each.payload) async for each in stream]
    note = {"name": "note", "arguments": {"text": "x"}}
    flaky = {"name": "flaky", "arguments": {}}
    assert [each for each in heard if each[0] != "token"] == [
        ("step", {"name": "a"}),
        ("tool", note),
        ("tool", {**note, "result": "noted x"}),
        ("tool", flaky),
        ("tool", {**flaky, "result": "recovered"}),
        ("reply", {"output": "all is done"}),
    ]
    assert "".join(each["text"] for kind, each in heard if kind == "token") == "all is done"


@pytest.mark.parametrize("needs_approval", ["always", "by its arguments"])
async def test_an_approved_tool_runs_once_in_a_durable_run(scripted, needs_approval):
    deleted: list[str] = []

    async def risky(context: Any, arguments: dict[str, Any], id: str) -> bool:
        return arguments["path"] != "safe"

    @function_tool(needs_approval=True if needs_approval == "always" else risky)
    async def delete(path: str) -> str:
        """Delete a file."""
        deleted.append(path)
        return f"deleted {path}"

    tools = Tools()
    calls = ToolCalls(ToolCall("delete", {"path": "x"}), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[delete, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"})
        assert asked.type == "interrupt"
        reply = await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
        assert restarts(runtime) == 0
    assert reply.payload == {"output": "done"}
    assert deleted == ["x"]


async def test_a_tool_that_needs_approval_by_its_arguments_runs_where_it_needs_none(scripted):
    async def never(context: Any, arguments: dict[str, Any], id: str) -> bool:
        return False

    @function_tool(needs_approval=never)
    async def delete(path: str) -> str:
        """Delete a file."""
        return f"deleted {path}"

    agent = Agent(
        name="a",
        model=scripted(ToolCalls(ToolCall("delete", {"path": "x"}), "done")),
        tools=[delete],
    )
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).type == "reply"


async def test_an_approval_inside_an_agent_that_is_a_tool_goes_on_in_a_durable_run(scripted):
    deleted: list[str] = []

    @function_tool(needs_approval=True)
    async def delete(path: str) -> str:
        """Delete a file."""
        deleted.append(path)
        return f"deleted {path}"

    tools = Tools()
    inner = ToolCalls(ToolCall("delete", {"path": "x"}), ToolCall("flaky"), "inner done")
    outer = ToolCalls(ToolCall("ask_expert", {"input": "x"}), "done")
    expert = Agent(name="expert", model=scripted(inner), tools=[delete, tools.flaky])
    tool = expert.as_tool("ask_expert", "Ask.", failure_error_function=None)
    agent = Agent(name="a", model=scripted(outer), tools=[tool])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"})
        reply = await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
        assert restarts(runtime) == 0
    assert (reply.payload, deleted) == ({"output": "done"}, ["x"])
    assert (len(outer.bodies), len(inner.bodies)) == (2, 3)


async def test_runs_that_a_tool_begins_itself_are_its_own_affair(scripted):
    inner = ToolCalls("inner done")
    own = Agent(name="own", model=scripted(inner))

    @function_tool
    async def think() -> str:
        """Think."""
        both = [await Runner.run(own, "x"), await Runner.run(own, "y")]
        return " ".join(each.final_output for each in both)

    tools = Tools()
    calls = ToolCalls(ToolCall("think"), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[think, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert len(inner.bodies) == 2
    assert calls.bodies[-1]["messages"][2]["content"] == "inner done inner done"


async def test_an_answer_of_another_agent_is_recorded_too(scripted):
    from tests.openai.test_calls import Echo

    class Failing(OpenAIAgent):
        failed = False

        async def run_framework(self, run: Any) -> Any:
            result = await super().run_framework(run)
            if not Failing.failed:
                Failing.failed = True
                raise RuntimeError("once")
            return result

    Echo.heard.clear()
    agent = Agent(
        name="a",
        model=scripted(ToolCalls(ToolCall("transfer_to_echo"))),
        handoffs=[handoff_to("echo")],
    )
    async with running(Failing("o", agent=agent, durable=True), Echo("echo")) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": {"said": "hi"}}
    assert len(Echo.heard) == 1


async def test_a_restart_ends_the_run_before_its_next_model_call_and_the_next_one_goes_on(scripted):
    built: list[int] = []
    called: list[tuple[str, int]] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    @function_tool
    async def wait() -> str:
        """Wait."""
        called.append(("tool", len(built)))
        began.set()
        await go_on.wait()
        return "waited"

    def script(body: dict[str, Any]) -> Any:
        called.append(("model", len(built)))
        return "done" if body["messages"][-1]["role"] == "tool" else ToolCall("wait")

    model = scripted(script)

    def build() -> Agent[Any]:
        built.append(1)
        return Agent(name="a", model=model, tools=[wait])

    async with running(OpenAIAgent("o", agent=build, durable=True)) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}))
        await began.wait()
        restarting = asyncio.create_task(runtime.restart("o"))
        # It was asked to end when nobody else gets in.
        while runtime.tree()["children"][0]["status"] == "running":
            await asyncio.sleep(0)
        go_on.set()
        await restarting
        assert (await asking).payload == {"output": "done"}
    assert called == [("model", 1), ("tool", 1), ("model", 2)]


async def test_a_bad_end_is_told_once_and_not_tried_again(scripted):
    calls = ToolCalls(ToolCall("note", {"text": "x"}))
    agent = Agent(name="a", model=scripted(calls), tools=Tools().all)
    async with running(OpenAIAgent("o", agent=agent, durable=True, max_turns=2)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "MaxTurnsExceeded"
        assert restarts(runtime) == 0
    assert len(calls.bodies) == 2
