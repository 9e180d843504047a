"""Runs that are given up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from agents import Agent, Model, function_tool

from civitas.demo.model_server import ToolCall
from civitas.message import Message
from civitas.process import AgentProcess
from civitas_openai import OpenAIAgent, agent_tool, handoff_to
from tests.core.frameworks.support import restarts, running

AT_ONCE = 0.2


class Hanging:
    """Something that hangs, and notes when it began and when it was cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def hang(self) -> str:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
        return ""


async def given_up(runtime: Any, hanging: Hanging, how: str) -> float:
    """Seconds from the moment a run is given up to the end of what hangs in it."""
    asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}))
    await asyncio.wait_for(hanging.began.wait(), 10)
    began = time.monotonic()
    if how == "the asker is cancelled":
        asking.cancel()
    else:
        stopping = asyncio.create_task(runtime.terminate_child("root", "o"))
    await asyncio.wait_for(hanging.cancelled.wait(), 10)
    took = time.monotonic() - began
    if how != "the asker is cancelled":
        await stopping
    await asyncio.gather(asking, return_exceptions=True)
    return took


@pytest.mark.parametrize("how", ["the asker is cancelled", "the agent is terminated"])
@pytest.mark.parametrize("durable", [False, True])
async def test_the_models_call_ends_at_once(scripted, how, durable):
    hanging = Hanging()

    class Hangs(Model):
        async def get_response(self, *args: Any, **kwargs: Any) -> Any:
            await hanging.hang()

        def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    agent = OpenAIAgent(
        "o", agent=Agent(name="a", model=Hangs()), durable=durable, shutdown_timeout=0
    )
    async with running(agent) as runtime:
        assert await given_up(runtime, hanging, how) < AT_ONCE


@pytest.mark.parametrize("durable", [False, True])
async def test_a_tools_call_ends_at_once(scripted, durable):
    hanging = Hanging()

    @function_tool
    async def hang() -> str:
        """Hang."""
        return await hanging.hang()

    agent = Agent(name="a", model=scripted([ToolCall("hang")]), tools=[hang])
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        assert await given_up(runtime, hanging, "the asker is cancelled") < AT_ONCE


class Slow(AgentProcess):
    hanging: Hanging

    async def handle(self, message: Message) -> None:
        await self.hanging.hang()


@pytest.mark.parametrize("how", ["tool", "handoff"])
async def test_what_it_asked_of_other_agents_ends_with_it(scripted, how):
    Slow.hanging = Hanging()
    if how == "tool":
        more: dict[str, Any] = {"tools": [agent_tool("slow", description="Is slow.")]}
        call = ToolCall("slow", {"input": "x"})
    else:
        more, call = {"handoffs": [handoff_to("slow")]}, ToolCall("transfer_to_slow")
    agent = OpenAIAgent("o", agent=Agent(name="a", model=scripted([call]), **more))
    async with running(agent, Slow("slow", cancel_on_timeout=True)) as runtime:
        took = await given_up(runtime, Slow.hanging, "the asker is cancelled")
    assert took < AT_ONCE


@pytest.mark.promise(id="SEM-973")
async def test_a_blocking_tool_is_left_behind_and_told_of(scripted, caplog):
    began, let_go = threading.Event(), threading.Event()

    @function_tool
    def block() -> str:
        """Block."""
        began.set()
        let_go.wait(10)
        return "late"

    model = scripted(lambda body: "hello" if len(body["messages"]) == 2 else ToolCall("block"))
    agent = Agent(name="a", model=model, tools=[block])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}))
        await asyncio.to_thread(began.wait, 10)
        asking.cancel()
        await asyncio.wait([asking])
        items = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
        reply = await runtime.ask("o", {"input": items}, timeout=5)
        assert restarts(runtime) == 0
    let_go.set()
    assert reply.payload == {"output": "hello"}
    assert "blocking calls of it go on in threads (1)" in caplog.text
