"""What SDK agents spend of their budgets."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent

from civitas import Runtime, Supervisor
from civitas.demo.model_server import ToolCall
from civitas.message import Message
from civitas.process import AgentProcess
from civitas_openai import OpenAIAgent, handoff_to
from tests.core.frameworks.support import running


class Echo(AgentProcess):
    """Says what it is asked."""

    async def handle(self, message: Message) -> Message:
        return self.reply({"said": len(message.payload)})


async def used(runtime: Runtime) -> Any:
    (budget,) = await runtime.budgets()
    return budget["used"]


@pytest.mark.promise(id="SEM-1913")
@pytest.mark.parametrize("streams", [False, True])
async def test_a_handoff_to_an_agent_is_no_call_of_a_model(scripted: Any, streams: bool) -> None:
    def script(body: dict[str, Any]) -> Any:
        return ToolCall("transfer_to_echo")

    agent = Agent(name="a", model=scripted(script), handoffs=[handoff_to("echo")])
    caller = OpenAIAgent("o", agent=agent, budget={"calls": 9, "usd": 1})
    prices = {"m1": {"in": 1.0, "out": 1.0}}
    tree = Supervisor("root", [caller, Echo("echo")])
    async with Runtime(tree, prices=prices) as runtime:
        if streams:
            async for _ in runtime.stream("o", {"input": "hi"}):
                pass
        else:
            assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": {"said": 1}}
        assert (await used(runtime))["calls"] == 1


@pytest.mark.promise(id="SEM-1913")
async def test_a_stream_counts_with_what_it_used(scripted: Any) -> None:
    agent = Agent(name="a", model=scripted(lambda body: "one two"))
    async with running(OpenAIAgent("o", agent=agent, budget={"tokens": 999})) as runtime:
        await runtime.ask("o", {"input": "hi"})
        asked = (await used(runtime))["tokens"]
        async for _ in runtime.stream("o", {"input": "hi"}):
            pass
        assert (await used(runtime))["tokens"] == 2 * asked > 0


@pytest.mark.promise(id="SEM-1913")
async def test_the_stream_of_an_agent_that_is_a_tool_counts_with_what_it_used(
    scripted: Any,
) -> None:
    def script(body: dict[str, Any]) -> Any:
        return (
            "done" if body["messages"][-1]["role"] == "tool" else ToolCall("expert", {"input": "x"})
        )

    async def counted(**keywords: Any) -> int:
        expert = Agent(name="expert", model=scripted(lambda body: "one two"))
        tool = expert.as_tool("expert", "Ask.", **keywords)
        agent = Agent(name="a", model=scripted(script), tools=[tool])
        async with running(OpenAIAgent("o", agent=agent, budget={"tokens": 9999})) as runtime:
            await runtime.ask("o", {"input": "hi"})
            return int((await used(runtime))["tokens"])

    async def hear(event: Any) -> None:
        pass

    assert await counted(on_stream=hear) == await counted()
