"""The spans of a graph's run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt
from openai import DefaultAsyncHttpxClient
from opentelemetry import trace
from pydantic import SecretStr

from civitas import ConversationPool, Runtime, Supervisor
from civitas.demo import model_replies
from civitas.demo.model_server import Answer, ModelServer, ToolCall
from civitas.errors import AskTimeout, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.telemetry import names
from civitas_langgraph import LangGraphAgent, agent_tool
from civitas_langgraph._spans import GraphSpans
from tests.core.frameworks.support import detailed_usage, running
from tests.core.telemetry.support import Metered


@tool
def look(q: str) -> str:
    """Look it up."""
    return "secret finding"


@pytest.fixture
async def model():
    script: list[Answer] = [ToolCall("look", {"q": "secret question"}), "secret answer"]
    # A client of its own: LangChain would keep the one that it makes for the whole process.
    async with DefaultAsyncHttpxClient() as client:
        with ModelServer(script) as server:
            yield ChatOpenAI(
                model="m1",
                base_url=server.url,
                api_key=SecretStr("x"),
                max_retries=0,
                http_async_client=client,
            ).bind_tools([look])


def user_span(name: str) -> None:
    with trace.get_tracer("user").start_as_current_span(name):
        pass


@pytest.mark.promise(id="SEM-1701")
async def test_nodes_subgraphs_models_and_tools_nest_below_the_run(spans, model):
    async def think(state: MessagesState) -> dict[str, Any]:
        user_span("async code")
        return {"messages": [await model.ainvoke(state["messages"])]}

    def deep(state: MessagesState) -> dict[str, Any]:
        user_span("sync code")
        return {}

    inner = StateGraph(MessagesState).add_node("deep", deep).add_edge(START, "deep").compile()
    graph = (
        StateGraph(MessagesState)
        .add_node("think", think)
        .add_node("tools", ToolNode([look]))
        .add_node("sub", inner)
        .add_edge(START, "think")
        .add_conditional_edges("think", tools_condition, {"tools": "tools", END: "sub"})
        .add_edge("tools", "think")
        .compile()
    )
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "secret"})
    assert spans.outline() == [
        "send g",
        "  process g",
        "    invoke_workflow g",
        "      node think",
        "        async code",
        "        chat m1",
        "      node tools",
        "        execute_tool look",
        "      node think",
        "        async code",
        "        chat m1",
        "      node sub",
        "        node deep",
        "          sync code",
    ]
    chat = spans.attributes("chat m1")
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert chat["gen_ai.response.id"]
    tool = spans.attributes("execute_tool look")
    assert tool["gen_ai.tool.call.id"].startswith("call")
    assert tool["gen_ai.agent.name"] == "g"
    assert not any("secret" in str(dict(span.attributes or {})) for span in spans.all())


async def test_concurrent_nodes_stay_apart(spans):
    async def work(state: MessagesState) -> None:
        await asyncio.sleep(0)
        user_span("work")

    builder = StateGraph(MessagesState)
    for name in ("a", "b"):
        builder.add_node(name, work).add_edge(START, name)
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert sorted(spans.outline()[3:]) == sorted(
        ["      node a", "        work", "      node b", "        work"]
    )


async def test_a_failing_node_is_an_error(spans):
    def fail(state: MessagesState) -> None:
        raise KeyError("x")

    graph = StateGraph(MessagesState).add_node("n", fail).add_edge(START, "n").compile()
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("g", {"input": "hi"})
    for name in ("node n", "invoke_workflow g"):
        assert spans.attributes(name)["error.type"] == "KeyError"
        assert not spans.named(name).status.is_ok


async def test_an_interrupt_is_no_error(spans):
    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt("sure?"))]}

    graph = StateGraph(MessagesState).add_node("n", ask).add_edge(START, "n")
    agent = LangGraphAgent("g", graph=graph.compile(checkpointer=InMemorySaver()))
    async with running(agent) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert spans.attributes("node n") == {"civitas.interrupted": True}
    assert all(span.status.is_unset for span in spans.all())


async def test_a_cancelled_node_is_marked_as_cancelled(spans):
    async def hang(state: MessagesState) -> None:
        await asyncio.Event().wait()

    graph = StateGraph(MessagesState).add_node("n", hang).add_edge(START, "n").compile()
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("g", {"input": "hi"}, timeout=0.1)
    assert spans.attributes("node n")["error.type"] == "CancelledError"


async def test_without_a_tracer_provider_no_spans_are_made():
    heard: list[Any] = []

    def look_at_callbacks(state: MessagesState, config: Any) -> None:
        heard.extend(config["callbacks"].handlers)

    from langchain_core.runnables import RunnableConfig

    look_at_callbacks.__annotations__["config"] = RunnableConfig
    graph = StateGraph(MessagesState).add_node("n", look_at_callbacks).add_edge(START, "n")
    async with running(LangGraphAgent("g", graph=graph.compile())) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert not any(isinstance(each, GraphSpans) for each in heard)


@pytest.mark.promise(id="SEM-1701")
@pytest.mark.parametrize("in_thread", [False, True], ids=["async", "in a thread"])
async def test_what_an_agent_called_as_a_tool_does_is_part_of_the_tools_span(spans, in_thread):
    helper = agent_tool("helper", description="Helps")
    call = {"input": "what?"}

    async def think(state: MessagesState) -> None:
        await helper.ainvoke(call)
        user_span("after")

    def think_in_thread(state: MessagesState) -> None:
        helper.invoke(call)
        user_span("after")

    graph = StateGraph(MessagesState).add_node("think", think_in_thread if in_thread else think)
    graph.add_edge(START, "think")
    async with running(LangGraphAgent("g", graph=graph.compile()), Helper("helper")) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert spans.outline()[3:] == [
        "      node think",
        "        execute_tool helper",
        "          send helper",
        "            process helper",
        "        after",
    ]
    tool_call = spans.attributes("execute_tool helper")
    assert tool_call["gen_ai.transfer.mode"] == "return_to_caller"
    assert tool_call["gen_ai.transfer.target.name"] == "helper"


class Helper(AgentProcess):
    async def handle(self, message: Message) -> Message:
        return self.reply("help")


@pytest.mark.promise(id="SEM-1709")
async def test_what_is_said_is_recorded_where_the_environment_asks_for_it(
    spans, model, monkeypatch
):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = (
        StateGraph(MessagesState)
        .add_node("think", think)
        .add_node("tools", ToolNode([look]))
        .add_edge(START, "think")
        .add_conditional_edges("think", tools_condition)
        .add_edge("tools", "think")
        .compile()
    )
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "secret question"})
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert "secret question" in chats[0]["gen_ai.input.messages"]
    assert '"name":"look","arguments":{"q":"secret question"}' in chats[0]["gen_ai.output.messages"]
    assert "secret finding" in chats[1]["gen_ai.input.messages"]
    assert "secret answer" in chats[1]["gen_ai.output.messages"]
    tool_call = spans.attributes("execute_tool look")
    assert tool_call["gen_ai.tool.call.arguments"] == '{"q":"secret question"}'
    assert "secret finding" in tool_call["gen_ai.tool.call.result"]


@pytest.mark.promise(id="SEM-1786")
async def test_cached_and_reasoning_tokens_are_told_and_whether_the_answer_came_in_pieces(
    spans, model, monkeypatch
):
    monkeypatch.setattr(model_replies, "_usage", detailed_usage)
    model.bound.stream_usage = True  # LangChain asks only OpenAI itself for it

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think").compile()
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "hi"})
        async for _ in runtime.stream("g", {"input": "hi"}):
            pass
    at_once, in_pieces = (
        dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"
    )
    for chat in (at_once, in_pieces):
        assert chat["gen_ai.usage.input_tokens"] == 20
        assert chat["gen_ai.usage.output_tokens"] == 9
        assert chat["gen_ai.usage.cache_read.input_tokens"] == 15
        assert chat["gen_ai.usage.reasoning.output_tokens"] == 6
    assert "gen_ai.request.stream" not in at_once
    assert in_pieces["gen_ai.request.stream"] is True


@pytest.mark.promise(id="SEM-1787")
async def test_runs_and_tools_of_a_pool_are_measured_under_its_name(monkeypatch):
    metered = Metered(monkeypatch)

    def think(state: MessagesState) -> dict[str, Any]:
        call = {"name": "look", "args": {"q": "x"}, "id": "c1"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_node("tools", ToolNode([look]))
    graph.add_edge(START, "think").add_edge("think", "tools")
    pool = ConversationPool("pool", LangGraphAgent("g", graph=graph.compile()))
    async with Runtime(Supervisor("root", children=[pool])) as runtime:
        for conversation in ("c1", None):
            await runtime.ask("pool", {"input": "hi"}, conversation=conversation)
    points = metered.points()
    (about, _), *others = points[names.AGENT_DURATION]
    assert about == {names.GEN_AI_OPERATION: "invoke_workflow", names.AGENT_NAME: "pool"}
    (tool, _), *more = points[names.TOOL_DURATION]
    assert tool[names.AGENT_NAME] == "pool"
    assert [each[names.WORKFLOW_NAME] for each, _ in points[names.WORKFLOW_DURATION]] == ["pool"]
    assert not others
    assert not more
