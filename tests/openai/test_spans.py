"""The spans of an SDK agent's run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.tracing import get_trace_provider
from opentelemetry import trace

from civitas.demo.model_server import ToolCall
from civitas.errors import HandlerFailed
from civitas_openai import OpenAIAgent, agent_tool, handoff_to
from civitas_openai._spans import BRIDGE
from tests.core.frameworks.support import running
from tests.openai.support import Says
from tests.openai.test_calls import Echo
from tests.openai.test_native_tools import ALL, Kit, hear


@pytest.fixture(autouse=True)
def tracing():
    get_trace_provider().set_processors([])
    set_tracing_disabled(False)
    yield
    set_tracing_disabled(True)
    get_trace_provider().set_processors([])


def user_span(name: str) -> None:
    with trace.get_tracer("user").start_as_current_span(name):
        pass


@function_tool
async def look(q: str) -> str:
    """Look it up."""
    user_span("async code")
    return "secret finding"


@function_tool
def count(q: str) -> str:
    """Count them."""
    user_span("sync code")
    return "secret number"


@pytest.mark.promise(id="SEM-1701")
async def test_agents_models_tools_and_handoffs_nest_below_the_run(spans, scripted):
    def script(body: dict[str, Any]) -> Any:
        names = [each["function"]["name"] for each in body.get("tools", [])]
        if "look" in names:
            if body["messages"][-1]["role"] == "tool":
                return ToolCall("transfer_to_expert")
            return [ToolCall("look", {"q": "secret"}), ToolCall("count", {"q": "secret"})]
        return "secret answer"

    model = scripted(script)
    expert = Agent(name="expert", model=model)
    clerk = Agent(name="clerk", model=model, tools=[look, count], handoffs=[expert])
    async with running(OpenAIAgent("o", agent=clerk)) as runtime:
        await runtime.ask("o", {"input": "secret"})
    assert spans.outline() == [
        "send o",
        "  process o",
        "    invoke_agent o",
        "      invoke_agent clerk",
        "        chat m1",
        "        execute_tool look",
        "          async code",
        "        execute_tool count",
        "          sync code",
        "        chat m1",
        "        handoff expert",
        "      invoke_agent expert",
        "        chat m1",
    ]
    chat = spans.attributes("chat m1")
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.request.model"] == "m1"
    calls = [
        each.attributes["gen_ai.response.finish_reasons"]
        for each in spans.all()
        if each.name == "chat m1"
    ]
    assert calls == [("tool_calls",), ("tool_calls",), ("stop",)]
    tool = spans.attributes("execute_tool look")
    assert tool["gen_ai.tool.call.id"].startswith("call")
    assert tool["gen_ai.agent.name"] == "clerk"
    assert spans.attributes("handoff expert") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "transfer_to_expert",
        "gen_ai.tool.type": "function",
        "gen_ai.agent.name": "clerk",
        "gen_ai.transfer.mode": "pass_control",
        "gen_ai.transfer.target.name": "expert",
    }
    assert not any("secret" in str(dict(span.attributes or {})) for span in spans.all())


async def test_the_responses_api_makes_the_same_spans(spans, responding):
    model = responding([ToolCall("look", {"q": "secret"}), "secret answer"])
    agent = Agent(name="clerk", model=model, tools=[look])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        reply = await runtime.ask("o", {"input": "secret"})
    assert reply.payload == {"output": "secret answer"}
    assert spans.outline()[3:] == [
        "      invoke_agent clerk",
        "        chat m1",
        "        execute_tool look",
        "          async code",
        "        chat m1",
    ]
    chat = spans.attributes("chat m1")
    assert chat["gen_ai.response.model"] == "m1"
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.response.id"]
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert not any("secret" in str(dict(span.attributes or {})) for span in spans.all())


async def test_a_failing_tool_and_its_run_are_errors(spans, scripted):
    @function_tool(failure_error_function=None)
    async def fail() -> str:
        """Fail."""
        raise ConnectionResetError("secret")

    agent = Agent(name="a", model=scripted([ToolCall("fail")]), tools=[fail])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "hi"})
    for name in ("execute_tool fail", "invoke_agent a", "invoke_agent o"):
        assert spans.attributes(name)["error.type"] == "UserError"
    assert spans.named("chat m1").status.is_unset


async def test_a_cancelled_run_is_marked_as_cancelled(spans, scripted):
    began = asyncio.Event()

    @function_tool
    async def hang() -> str:
        """Hang."""
        began.set()
        await asyncio.Event().wait()
        return ""

    agent = Agent(name="a", model=scripted([ToolCall("hang")]), tools=[hang])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}))
        await began.wait()
        asking.cancel()
        await asyncio.wait([asking])
    for name in ("execute_tool hang", "invoke_agent a"):
        assert spans.attributes(name)["error.type"] == "CancelledError"


async def test_runs_beside_each_other_stay_apart(spans, scripted):
    model = scripted(lambda body: "hello")
    agents = [OpenAIAgent(name, agent=Agent(name=name, model=model)) for name in ("a", "b")]
    async with running(*agents) as runtime:
        await asyncio.gather(*(runtime.ask(name, {"input": "hi"}) for name in ("a", "b")))
    for name in ("a", "b"):
        inner = [span for span in spans.all() if span.name == f"invoke_agent {name}"]
        assert len(inner) == 2
        assert inner[1].parent == inner[0].context


async def test_a_run_outside_any_agent_makes_no_spans(spans, scripted):
    model = scripted(lambda body: "hello")
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=model))) as runtime:
        await runtime.ask("o", {"input": "hi"})
        made = len(spans.all())
        await Runner.run(Agent(name="b", model=model), "hi")
    assert len(spans.all()) == made


async def test_without_a_tracer_provider_nobody_listens(scripted):
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=scripted(["x"])))) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert BRIDGE not in get_trace_provider()._multi_processor._processors  # type: ignore[attr-defined]


async def test_a_handoff_to_another_agent_leads_there(spans, scripted):
    model = scripted([ToolCall("transfer_to_echo")])
    agent = Agent(name="clerk", model=model, handoffs=[handoff_to("echo")])
    async with running(OpenAIAgent("o", agent=agent), Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert spans.outline() == [
        "send o",
        "  process o",
        "    invoke_agent o",
        "      invoke_agent clerk",
        "        chat m1",
        "        handoff echo",
        "      invoke_agent echo",
        "        send echo",
        "          process echo",
    ]


@pytest.mark.promise(id="SEM-1049")
async def test_a_tool_has_one_name_in_streams_spans_and_questions(spans):
    kit = Kit(needs_approval=True)
    agent = Agent(name="a", model=Says([ALL, "done"]), tools=kit.tools)
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
        questions = heard[-1][1]["interrupts"]
        answers = {"values": {each["id"]: True for each in questions}}
        heard += await hear(runtime, answers, "resume")
    told = {payload["name"] for kind, payload in heard if kind == "tool"}
    traced = {each.name for each in spans.all() if each.name.startswith("execute_tool")}
    assert traced == {f"execute_tool {name}" for name in told}
    assert {each["value"]["name"] for each in questions} < told


@pytest.mark.promise(id="SEM-1701")
async def test_the_call_of_another_agent_says_which_one_it_leads_to(spans, scripted):
    model = scripted([ToolCall("echo", {"input": "hi"}), "done"])
    tools: list[Any] = [agent_tool("echo", description="Say it again.")]
    agent = Agent(name="clerk", model=model, tools=tools)
    async with running(OpenAIAgent("o", agent=agent), Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "hi"})
    attributes = spans.attributes("execute_tool echo")
    assert attributes["gen_ai.transfer.mode"] == "return_to_caller"
    assert attributes["gen_ai.transfer.target.name"] == "echo"


@pytest.mark.promise(id="SEM-1701")
async def test_a_model_of_the_users_own_has_spans_with_its_tokens(spans):
    class Thinks(Says):
        async def get_response(self, *args: Any, **named: Any) -> Any:
            response = await super().get_response(*args, **named)
            response.usage.input_tokens, response.usage.output_tokens = 20, 9
            response.usage.input_tokens_details.cached_tokens = 15
            response.usage.output_tokens_details.reasoning_tokens = 6
            return response

    agent = Agent(name="a", model=Thinks(["done"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c-1")
    assert spans.attributes("chat model") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "thinks",
        "gen_ai.conversation.id": "c-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 15,
        "gen_ai.usage.reasoning.output_tokens": 6,
    }


@pytest.mark.promise(id="SEM-1709")
@pytest.mark.parametrize("api", ["chat completions", "responses"])
async def test_what_is_said_is_recorded_where_the_environment_asks_for_it(
    spans, scripted, responding, monkeypatch, api
):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    make = scripted if api == "chat completions" else responding
    model = make([ToolCall("look", {"q": "secret"}), "secret answer"])
    agent = Agent(name="clerk", model=model, tools=[look], instructions="Be secretive.")
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "secret question"})
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert "secret question" in chats[0]["gen_ai.input.messages"]
    assert '"name":"look","arguments":{"q":"secret"}' in chats[0]["gen_ai.output.messages"]
    assert "secret finding" in chats[1]["gen_ai.input.messages"]
    assert "secret answer" in chats[1]["gen_ai.output.messages"]
    tool_call = spans.attributes("execute_tool look")
    assert tool_call["gen_ai.tool.call.arguments"] == '{"q":"secret"}'
    assert "secret finding" in tool_call["gen_ai.tool.call.result"]
    assert "Be secretive." in chats[0]["gen_ai.system_instructions"]


@pytest.mark.promise(id="SEM-1709")
async def test_what_the_user_keeps_out_of_the_sdks_traces_is_not_recorded(
    spans, scripted, monkeypatch
):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    model = scripted([ToolCall("look", {"q": "secret"}), "secret answer"])
    agent = Agent(name="clerk", model=model, tools=[look], instructions="Be secretive.")
    private = {"trace_include_sensitive_data": False}
    async with running(OpenAIAgent("o", agent=agent, run_config=private)) as runtime:
        await runtime.ask("o", {"input": "secret question"})
    assert not any("secret" in str(dict(span.attributes or {})) for span in spans.all())


@pytest.mark.promise(id="SEM-1786")
async def test_whether_an_answer_came_in_pieces_is_told(spans, scripted):
    agent = Agent(name="a", model=scripted(["one", "two"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "hi"})
        async for _ in runtime.stream("o", {"input": "hi"}):
            pass
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert [each.get("gen_ai.request.stream") for each in chats] == [None, True]
