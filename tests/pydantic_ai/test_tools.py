"""Other agents, and the tools of the runtime, as tools of Pydantic AI."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent

from civitas import AgentProcess, Message, Runtime, Supervisor, wrap
from civitas.errors import ConfigurationError, StartFailed
from civitas_pydantic_ai import agent_tool, runtime_tools
from tests.core.frameworks.shared_tools import double
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call


class Invoice(BaseModel):
    number: int


class Billing(AgentProcess):
    async def handle(self, message: Message) -> Message:
        return self.reply({"paid": message.payload})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"number": 3}, '{"paid": {"number": 3}}'),
        ({"number": "x"}, "Error: the arguments do not fit"),
        ({}, "Error: the arguments do not fit"),
    ],
)
async def test_a_pydantic_model_says_what_an_agent_is_asked(arguments: Any, said: str) -> None:
    tool = agent_tool("billing.eu", description="Knows invoices.", parameters=Invoice)
    assert tool.tool_def.parameters_json_schema == Invoice.model_json_schema()
    says = Says([[call("billing_eu", "c1", **arguments)], "done"])
    agents = [wrap(says.agent(tools=[tool]), name="o"), Billing("billing.eu")]
    async with running(*agents) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
    assert says.texts[-1][-1].startswith(said)


async def test_outside_of_an_agent_a_tool_says_so() -> None:
    says = Says([[call("billing", "c1", input="x")], "done"])
    agent = says.agent(tools=[agent_tool("billing", description="Knows invoices.")])
    with pytest.raises(ConfigurationError, match="was called outside one"):
        await agent.run("hi")


@pytest.mark.promise(id="SEM-1888")
@pytest.mark.parametrize(("number", "said"), [(4, "8"), (-1, "Error: it is below 0")])
async def test_a_model_calls_a_tool_of_the_runtime(number: int, said: str) -> None:
    says = Says([[call("double", "c1", number=number)], "done"])
    agent = wrap(lambda: says.agent(tools=runtime_tools("dou*")), name="o")
    async with Runtime(Supervisor("root", [agent]), tools=[double]) as runtime:
        await runtime.ask("o", {"input": "go"})
    assert says.texts[-1][-1] == said


@pytest.mark.promise(id="SEM-1888")
async def test_a_tool_that_is_not_there_is_a_failed_start_and_says_which_are() -> None:
    agent = wrap(lambda: Agent(tools=runtime_tools("dubble")), name="o")
    with pytest.raises(StartFailed, match=r"no tool is named 'dubble'.*'double'"):
        async with Runtime(Supervisor("root", [agent]), tools=[double]):
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1888")
def test_outside_of_an_agent_there_are_none() -> None:
    with pytest.raises(ConfigurationError, match="give `wrap` the function that builds"):
        runtime_tools()
