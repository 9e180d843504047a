"""Agents of the system as tools of a crew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, Field

from civitas.errors import ConfigurationError
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent, agent_tool
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Echo(AgentProcess):
    """Answers with what it got."""

    async def handle(self, message: Message) -> Message:
        return self.reply({"got": message.payload, "in": message.conversation})


class Order(BaseModel):
    """What to order."""

    article: str = Field(description="What")
    amount: int = 1


SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["q"],
}


async def asked(tool: Any, arguments: dict[str, Any]) -> str:
    """What the model is told, where it calls the tool."""
    model = SuiteModel(ToolCall("echo", arguments), "end")
    crew = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[tool]))))
    async with running(crew, Echo("echo")) as runtime:
        await runtime.ask("c", {}, conversation="x")
    return model.seen[1][-1]


@pytest.mark.promise(id="SEM-1701")
async def test_the_span_of_the_call_says_which_agent_it_leads_to(spans):
    await asked(agent_tool("echo", description="echoes"), {"input": "hi"})
    tool_call = spans.attributes("execute_tool echo")
    assert tool_call["gen_ai.transfer.mode"] == "return_to_caller"
    assert tool_call["gen_ai.transfer.target.name"] == "echo"


@pytest.mark.promise(id="SEM-975")
async def test_the_payload_is_what_the_model_gave_and_the_conversation_goes_along():
    tool = agent_tool("echo", description="echoes")
    assert await asked(tool, {"input": "hi"}) == '{"got": {"input": "hi"}, "in": "x"}'


async def test_parameters_may_be_a_model_and_its_defaults_are_filled_in():
    tool = agent_tool("echo", description="echoes", parameters=Order)
    assert '{"article": "pen", "amount": 1}' in await asked(tool, {"article": "pen"})


async def test_parameters_may_be_a_schema_and_what_is_left_out_stays_out():
    tool = agent_tool("echo", description="echoes", parameters=SCHEMA)
    assert '{"got": {"q": "pens"}' in await asked(tool, {"q": "pens"})


async def test_arguments_that_do_not_fit_are_an_error_for_the_model():
    tool = agent_tool("echo", description="echoes", parameters=Order)
    assert "article" in await asked(tool, {"amount": 2})


async def test_an_agent_that_is_not_there_is_an_error_for_the_model():
    tool = agent_tool("nobody", description="is not there")
    model = SuiteModel(ToolCall("nobody", {"input": "hi"}), "end")
    crew = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[tool]))))
    async with running(crew) as runtime:
        await runtime.ask("c", {})
    assert model.seen[1][-1].startswith("Error: no agent")


def test_outside_of_an_agent_it_says_what_to_do():
    tool = agent_tool("echo", description="echoes")
    with pytest.raises(ConfigurationError, match="wrap the graph, agent or crew"):
        tool.run(input="hi")


def test_the_model_sees_name_description_and_schema():
    tool = agent_tool("echo", description="echoes", parameters=Order)
    assert (tool.name, tool.args_schema) == ("echo", Order)
    assert "echoes" in tool.description
    with pytest.raises(ConfigurationError, match="description must say for the model"):
        agent_tool("echo", description="")


async def test_what_a_crew_asked_for_ends_with_the_crews_run():
    ended = asyncio.Event()
    began = asyncio.Event()

    class Slow(AgentProcess):
        async def handle(self, message: Message) -> Message | None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return None

    tool = agent_tool("slow", description="is slow")
    model = SuiteModel(ToolCall("slow", {"input": "x"}), "end")
    crew = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[tool]))))
    async with running(crew, Slow("slow", cancel_on_timeout=True)) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}))
        await began.wait()
        asking.cancel()
        await asyncio.wait_for(ended.wait(), 5)
    assert len(model.seen) == 1
