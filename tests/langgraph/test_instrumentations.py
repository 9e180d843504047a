"""Instrumentations of OpenTelemetry that are on beside a graph: nothing is told twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic import SecretStr

from civitas.demo.model_server import Answer, ModelServer, ToolCall
from civitas.telemetry import names
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running

pytest.importorskip("opentelemetry.util.genai")

from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor


@tool
def look(q: str) -> str:
    """Look it up."""
    return "finding"


class Models:
    """One model by way of LangChain, and by its client alone."""

    def __init__(self, url: str, http: Any) -> None:
        self.chat = ChatOpenAI(
            model="m1",
            base_url=url,
            api_key=SecretStr("x"),
            max_retries=0,
            http_async_client=http,
        ).bind_tools([look])
        self.client = AsyncOpenAI(base_url=url, api_key="x", http_client=http)


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    script: list[Answer] = [ToolCall("look", {"q": "x"}), "done", "more"]
    async with DefaultAsyncHttpxClient() as http:
        with ModelServer(script) as server:
            yield Models(server.url, http)


@pytest.fixture
def of_the_client(spans: Any) -> Iterator[None]:
    OpenAIInstrumentor().instrument()
    yield
    OpenAIInstrumentor().uninstrument()


@pytest.fixture
def of_langchain(spans: Any) -> Iterator[None]:
    LangChainInstrumentor().instrument()
    yield
    LangChainInstrumentor().uninstrument()


def graph_of(models: Models, *, direct: bool = False) -> CompiledStateGraph[Any, Any, Any, Any]:
    async def think(state: MessagesState) -> dict[str, Any]:
        answer = await models.chat.ainvoke(state["messages"])
        if direct and not answer.tool_calls:
            asked: Any = [{"role": "user", "content": "more"}]
            await models.client.chat.completions.create(model="m2", messages=asked)
        return {"messages": [answer]}

    return (
        StateGraph(MessagesState)
        .add_node("think", think)
        .add_node("tools", ToolNode([look]))
        .add_edge(START, "think")
        .add_conditional_edges("think", tools_condition)
        .add_edge("tools", "think")
        .compile()
    )


@pytest.mark.promise(id="SEM-1704")
async def test_a_call_of_a_model_is_one_span_where_its_client_is_instrumented(
    spans: Any, of_the_client: None, models: Models
) -> None:
    async with running(LangGraphAgent("g", graph=graph_of(models, direct=True))) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert spans.outline()[3:] == [
        "      node think",
        "        chat m1",
        "      node tools",
        "        execute_tool look",
        "      node think",
        "        chat m1",
        "        chat m2",  # which only the client's instrumentation knows of
    ]


@pytest.mark.promise(id="SEM-1704")
async def test_models_and_tools_are_one_span_each_where_langchain_is_instrumented(
    spans: Any, of_langchain: None, models: Models
) -> None:
    async with running(LangGraphAgent("g", graph=graph_of(models))) as runtime:
        await runtime.ask("g", {"input": "hi"})
    told = [each.name for each in spans.all()]
    assert told.count("chat m1") == 2
    assert told.count("execute_tool look") == 1
    assert told.count("invoke_workflow g") == 1
    assert told.count("node think") == 2
    assert {span.get_span_context().trace_id for span in spans.all()} == {
        spans.named("send g").get_span_context().trace_id
    }


@pytest.mark.promise(id="SEM-1704")
async def test_a_model_without_a_name_has_a_span_where_langchain_is_instrumented(
    spans: Any, of_langchain: None
) -> None:
    async def think(state: MessagesState) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter(["hello"]))
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think").compile()
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "hi"})
    told = [each.name for each in spans.all() if each.name.startswith("chat")]
    assert told == ["chat model"]


@pytest.mark.promise(id="SEM-1704")
async def test_the_spans_of_the_framework_can_be_switched_off(spans: Any, models: Models) -> None:
    agent = LangGraphAgent("g", graph=graph_of(models), framework_spans=False)
    async with running(agent) as runtime:
        await runtime.ask("g", {"input": "hi"})
    assert spans.outline() == ["send g", "  process g", "    invoke_workflow g"]
    assert names.CONVERSATION not in spans.attributes("invoke_workflow g")
