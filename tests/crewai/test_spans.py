"""The spans of a crew's run."""

from __future__ import annotations

from typing import Any

import pytest
from crewai import Agent, Crew, Task
from crewai.tools import tool
from opentelemetry import trace

from civitas.demo import model_replies
from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas_crewai import CrewAIAgent, agent_tool
from tests.core.frameworks.support import detailed_usage, running

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@tool("look")
def look(q: str) -> str:
    """Look it up."""
    with trace.get_tracer("user").start_as_current_span("user code"):
        return "secret finding"


def crew_of(llm: Any, *tools: Any) -> Crew:
    clerk = Agent(
        role="Clerk",
        goal="Find",
        backstory="You look.",
        llm=llm,
        tools=list(tools),
        max_retry_limit=0,
    )
    named = Task(name="find", description="secret", expected_output="Text", agent=clerk)
    unnamed = Task(description="secret too", expected_output="Text", agent=clerk, tools=[])
    return Crew(agents=[clerk], tasks=[named, unnamed])


@pytest.mark.promise(id="SEM-1701")
async def test_tasks_agents_models_and_tools_nest_below_the_run(spans, scripted):
    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool" or "secret too" in str(body["messages"]):
            return "secret answer"
        return ToolCall("look", {"q": "secret"})

    made = crew_of(scripted(script), look)
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        await runtime.ask("c", {})
    assert spans.outline() == [
        "send c",
        "  process c",
        "    invoke_workflow c",
        "      task find",
        "        invoke_agent Clerk",
        "          chat m1",
        "          execute_tool look",
        "            user code",
        "          chat m1",
        "      task",
        "        invoke_agent Clerk",
        "          chat m1",
    ]
    chat = spans.attributes("chat m1")
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert spans.attributes("execute_tool look")["gen_ai.agent.name"] == "Clerk"
    assert not any("secret" in str(dict(span.attributes or {})) for span in spans.all())


async def test_a_failing_model_call_marks_all_above_it(spans, scripted):
    made = crew_of(scripted([Failure(400, "no")]))
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("c", {})
    for name in ("chat m1", "invoke_agent Clerk", "task find", "invoke_workflow c"):
        assert "error.type" in spans.attributes(name)


async def test_two_crews_stay_apart(spans, scripted):
    import asyncio

    llm = scripted(lambda body: "an answer")
    agents = [CrewAIAgent(name, crew=lambda: crew_of(llm)) for name in ("a", "b")]
    async with running(*agents) as runtime:
        await asyncio.gather(*(runtime.ask(name, {}) for name in ("a", "b")))
    for name in ("a", "b"):
        run = spans.named(f"invoke_workflow {name}")
        tasks = [span for span in spans.all() if span.parent == run.context]
        assert [span.name for span in tasks] == ["task find", "task"]


async def test_without_a_tracer_provider_nobody_listens(scripted, monkeypatch):
    from crewai.events import stream_context

    added: list[Any] = []
    monkeypatch.setattr(stream_context, "add_stream_sink", added.append)
    made = crew_of(scripted(lambda body: "an answer"))
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        await runtime.ask("c", {})
    assert added == []


@pytest.mark.promise(id="SEM-1709")
async def test_what_is_said_is_recorded_where_the_environment_asks_for_it(
    spans, scripted, monkeypatch
):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")

    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool" or "secret too" in str(body["messages"]):
            return "secret answer"
        return ToolCall("look", {"q": "secret"})

    made = crew_of(scripted(script), look)
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        await runtime.ask("c", {})
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert "secret" in chats[0]["gen_ai.input.messages"]
    assert "secret answer" in chats[-1]["gen_ai.output.messages"]
    tool_call = spans.attributes("execute_tool look")
    assert tool_call["gen_ai.tool.call.arguments"] == '{"q":"secret"}'
    assert "secret finding" in tool_call["gen_ai.tool.call.result"]


@pytest.mark.promise(id="SEM-1786")
@pytest.mark.parametrize("streams", [False, True])
async def test_cached_and_reasoning_tokens_are_told_and_whether_the_answer_came_in_pieces(
    spans, scripted, monkeypatch, streams
):
    monkeypatch.setattr(model_replies, "_usage", detailed_usage)
    llm = scripted(lambda body: "an answer")
    llm.stream = streams
    async with running(CrewAIAgent("c", crew=crew_of(llm))) as runtime:
        await runtime.ask("c", {})
    for each in (each for each in spans.all() if each.name == "chat m1"):
        chat = dict(each.attributes or {})
        assert chat["gen_ai.provider.name"] == "openai"
        assert chat["gen_ai.usage.input_tokens"] == 20
        assert chat["gen_ai.usage.output_tokens"] == 9
        assert chat["gen_ai.usage.cache_read.input_tokens"] == 15
        assert chat["gen_ai.usage.reasoning.output_tokens"] == 6
        assert chat.get("gen_ai.request.stream", False) is streams


@pytest.mark.promise(id="SEM-1701")
async def test_the_call_of_another_agent_says_which_one_it_leads_to(spans, scripted):
    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool" or "secret too" in str(body["messages"]):
            return "an answer"
        return ToolCall("helper", {"input": "hi"})

    class Helper(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply("help")

    made = crew_of(scripted(script), agent_tool("helper", description="Helps."))
    async with running(CrewAIAgent("c", crew=made), Helper("helper")) as runtime:
        await runtime.ask("c", {})
    told = spans.attributes("execute_tool helper")
    assert told["gen_ai.transfer.mode"] == "return_to_caller"
    assert told["gen_ai.transfer.target.name"] == "helper"
