"""Compiled graphs as agents."""

from __future__ import annotations

import asyncio
import copy
import json
import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import Runtime as GraphRuntime
from langgraph.types import interrupt
from pydantic import BaseModel

from civitas.errors import AskTimeout, ConfigurationError, HandlerFailed
from civitas.frameworks import wrap
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import doing, restarts, running


class Sum(TypedDict, total=False):
    number: int
    total: Annotated[int, operator.add]


def graph_of(node: Any, state: Any = MessagesState, **compile_keywords: Any) -> CompiledStateGraph:
    return StateGraph(state).add_node("n", node).add_edge(START, "n").compile(**compile_keywords)


def add(state: Sum) -> Sum:
    return {"total": state["number"]}


def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"you said {state['messages'][-1].content}")]}


async def test_the_payload_is_the_graphs_input_and_the_reply_its_output_state():
    async with running(LangGraphAgent("g", graph=graph_of(add, Sum))) as runtime:
        reply = await runtime.ask("g", {"number": 2})
    assert reply.payload == {"number": 2, "total": 2}


async def test_text_as_input_is_one_user_message():
    async with running(LangGraphAgent("g", graph=graph_of(answer))) as runtime:
        reply = await runtime.ask("g", {"input": "hi"})
    said, answered = reply.payload["messages"]
    assert (said["type"], said["content"]) == ("human", "hi")
    assert (answered["type"], answered["content"]) == ("ai", "you said hi")


async def test_text_as_input_stays_itself_where_the_graph_has_such_a_channel():
    class State(MessagesState):
        input: str

    def read(state: State) -> dict[str, Any]:
        return {"messages": [AIMessage(state["input"])]}

    async with running(LangGraphAgent("g", graph=graph_of(read, State))) as runtime:
        reply = await runtime.ask("g", {"input": "hi"})
    assert reply.payload["input"] == "hi"
    assert len(reply.payload["messages"]) == 1


async def test_messages_with_role_and_content_are_taken_as_they_are():
    async with running(LangGraphAgent("g", graph=graph_of(answer))) as runtime:
        reply = await runtime.ask("g", {"messages": [{"role": "user", "content": "hi"}]})
    assert reply.payload["messages"][-1]["content"] == "you said hi"


async def test_a_reply_is_input_again():
    async with running(LangGraphAgent("g", graph=graph_of(answer))) as runtime:
        first = await runtime.ask("g", {"input": "hi"})
        history = [*first.payload["messages"], {"role": "user", "content": "again"}]
        second = await runtime.ask("g", {"messages": history})
    assert [message["content"] for message in second.payload["messages"]] == [
        "hi",
        "you said hi",
        "again",
        "you said again",
    ]


async def test_a_message_is_a_flat_dict_without_what_is_empty():
    call = {"name": "look", "args": {"q": None}, "id": "1", "type": "tool_call"}

    def call_tool(state: MessagesState) -> dict[str, Any]:
        return {
            "messages": [
                AIMessage("", id="a", name="bob", tool_calls=[call]),
                ToolMessage("found", id="t", tool_call_id="1", artifact=object()),
            ]
        }

    async with running(LangGraphAgent("g", graph=graph_of(call_tool))) as runtime:
        reply = await runtime.ask("g", {"input": "hi"})
    assert reply.payload["messages"][1:] == [
        {"type": "ai", "content": "", "id": "a", "name": "bob", "tool_calls": [call]},
        {
            "type": "tool",
            "content": "found",
            "id": "t",
            "tool_call_id": "1",
            "status": "success",
        },
    ]


async def test_models_and_dataclasses_in_the_state_arrive_as_dicts():
    class Verdict(BaseModel):
        score: int

    @dataclass
    class Page:
        verdict: Verdict
        message: HumanMessage

    class State(TypedDict, total=False):
        pages: list[Any]

    def judge(state: State) -> State:
        return {"pages": [Page(Verdict(score=3), HumanMessage("hi", id="m"))]}

    async with running(LangGraphAgent("g", graph=graph_of(judge, State))) as runtime:
        reply = await runtime.ask("g", {"pages": []})
    page = {"verdict": {"score": 3}, "message": {"type": "human", "content": "hi", "id": "m"}}
    assert reply.payload == {"pages": [page]}


async def test_a_state_that_cannot_be_sent_is_an_error_that_names_the_place():
    class State(TypedDict, total=False):
        connection: Any

    async with running(
        LangGraphAgent("g", graph=graph_of(lambda state: {"connection": object()}, State))
    ) as runtime:
        with pytest.raises(HandlerFailed, match=r"payload\.connection"):
            await runtime.ask("g", {"connection": None})


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("hi", r"payload: a dict is needed, got str; it takes 'messages', or \{\"input\": text\}"),
        ({"inptu": "hi"}, r"payload\.inptu: .*did you mean 'input'\?"),
        ({"input": 5}, r"payload\.input: text or messages are needed, got int"),
        ({}, r"payload: it is empty; it takes 'messages'"),
        ({"messages": [{"content": "hi"}]}, r"payload\.messages: .*'role'"),
        ({"messages": 5}, r"payload\.messages: .*int"),
        ({"messages": [], "input": "hi"}, "send one of them"),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_with_what_fits(payload, error):
    async with running(LangGraphAgent("g", graph=graph_of(answer))) as runtime:
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("g", payload)
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0


async def test_a_pydantic_state_is_checked_before_the_graph_begins():
    class State(BaseModel):
        question: str

    began = []
    graph = graph_of(began.append, State)
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        with pytest.raises(HandlerFailed, match=r"payload\.question: .*valid string"):
            await runtime.ask("g", {"question": 5})
    assert began == []


async def test_any_payload_reaches_a_graph_that_takes_any():
    @entrypoint()
    async def shout(text: str) -> str:
        return text.upper()

    async with running(LangGraphAgent("g", graph=shout)) as runtime:
        assert (await runtime.ask("g", "hi")).payload == "HI"


async def test_a_nodes_exception_reaches_the_asker_by_name_and_the_agent_lives():
    left = [KeyError("missing")]

    def fail_once(state: MessagesState) -> dict[str, Any]:
        if left:
            raise left.pop()
        return {}

    async with running(LangGraphAgent("g", graph=graph_of(fail_once))) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"input": "hi"})
        assert failed.value.error_type == "KeyError"
        assert await runtime.ask("g", {"input": "hi"})
        assert restarts(runtime) == 0


async def test_the_recursion_limit_of_the_config_holds():
    def loop(state: Sum) -> Sum:
        return {"total": 1}

    builder = StateGraph(Sum).add_node("n", loop).add_edge(START, "n").add_edge("n", "n")
    agent = LangGraphAgent("g", graph=builder.compile(), config={"recursion_limit": 3})
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"number": 1})
    assert failed.value.error_type == "GraphRecursionError"


async def test_the_run_time_context_reaches_the_nodes():
    @dataclass
    class Context:
        user: str

    def greet(state: Sum, runtime: GraphRuntime[Context]) -> dict[str, Any]:
        return {"total": len(runtime.context.user)}

    builder = StateGraph(Sum, context_schema=Context)
    graph = builder.add_node("n", greet).add_edge(START, "n").compile()
    async with running(LangGraphAgent("g", graph=graph, context=Context("ada"))) as runtime:
        assert (await runtime.ask("g", {"number": 1})).payload["total"] == 3


async def test_a_conversation_is_the_thread_of_the_graphs_own_checkpointer():
    graph = graph_of(answer, checkpointer=InMemorySaver())
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "a"}, conversation="c1")
        same = await runtime.ask("g", {"input": "b"}, conversation="c1")
        other = await runtime.ask("g", {"input": "b"}, conversation="c2")
        none = await runtime.ask("g", {"input": "b"})
    counts = [len(reply.payload["messages"]) for reply in (same, other, none)]
    assert counts == [4, 2, 2]


async def test_an_interrupt_is_the_reply():
    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(interrupt({"ok": "sure?"}))]}

    agent = LangGraphAgent("g", graph=graph_of(ask, checkpointer=InMemorySaver()))
    async with running(agent) as runtime:
        reply = await runtime.ask("g", {"input": "hi"}, conversation="c1")
    (open_,) = reply.payload["interrupts"]
    assert (reply.type, reply.conversation, open_["value"]) == ("interrupt", "c1", {"ok": "sure?"})
    assert open_["id"]


async def test_an_ask_that_times_out_cancels_the_node():
    cancelled = asyncio.Event()

    async def hang(state: MessagesState) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with running(LangGraphAgent("g", graph=graph_of(hang))) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("g", {"input": "hi"}, timeout=0.1)
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_the_graph_and_its_config_stay_as_they_were():
    graph = graph_of(answer)
    config = {"tags": ["a"], "configurable": {"x": 1}, "metadata": {"m": [1]}}
    before = copy.deepcopy(config)
    attributes = {key: repr(value) for key, value in vars(graph).items()}
    agent = LangGraphAgent("g", graph=graph, config=config)  # type: ignore[arg-type]
    async with running(agent) as runtime:
        await runtime.ask("g", {"input": "hi"}, conversation="c1")
    assert config == before
    assert {key: repr(value) for key, value in vars(graph).items()} == attributes


async def test_wrap_knows_a_compiled_graph():
    agent = wrap(graph_of(answer), name="g", config={"tags": ["a"]}, max_retries=1)
    assert isinstance(agent, LangGraphAgent)
    async with running(agent) as runtime:
        assert await runtime.ask("g", {"input": "hi"})


async def test_wrap_knows_a_function_that_compiles_one_and_calls_it_again_after_a_crash():
    compiled = []

    def make() -> Any:
        def fail(state: MessagesState) -> None:
            raise MemoryError("crash")

        compiled.append(graph_of(answer if compiled else fail))
        return compiled[-1]

    async with running(wrap(make, name="g")) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("g", {"input": "hi"})
        assert await runtime.ask("g", {"input": "hi"})
    assert len(compiled) == 2


def test_a_graph_that_is_not_compiled_is_an_error_that_says_so():
    with pytest.raises(ConfigurationError, match=r"result of `\.compile\(\)`.*StateGraph"):
        wrap(StateGraph(MessagesState), name="g")


@pytest.mark.promise(id="SEM-1032")
@pytest.mark.promise(id="SEM-1221")
async def test_the_reply_says_what_models_used_and_which_tools_failed():
    @tool
    def fail(x: int) -> int:
        """Fail."""
        raise ToolException("not today")

    fail.handle_tool_error = True
    used = UsageMetadata(input_tokens=3, output_tokens=1, total_tokens=4)
    call = {"name": "fail", "args": {"x": 1}, "id": "1", "type": "tool_call"}

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **keywords: Any) -> Any:
            return self

    said = [AIMessage("", tool_calls=[call]), AIMessage("sorry", usage_metadata=used)]
    graph = create_agent(Model(messages=iter(said)), [fail])
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        reply = await runtime.ask("g", {"input": "x"})
    result, answer = reply.payload["messages"][-2:]
    assert (result["status"], result["content"]) == ("error", "not today")
    assert answer["usage_metadata"] == used
    assert set(reply.payload) == {"messages"}
    assert json.loads(reply.headers["civitas-usage"]) == {"requests": 2, **used}
    assert json.loads(reply.headers["civitas-tool-failures"]) == [
        {"name": "fail", "error": "not today"}
    ]


@pytest.mark.promise(id="SEM-1643")
async def test_while_it_runs_it_tells_its_node_and_tool_and_what_its_models_used():
    seen = []

    @tool
    async def look() -> str:
        """Look."""
        seen.append(doing(runtime, "g"))
        return "seen"

    used = UsageMetadata(input_tokens=3, output_tokens=1, total_tokens=4)
    call = {"name": "look", "args": {}, "id": "1", "type": "tool_call"}
    said = [AIMessage("", tool_calls=[call], usage_metadata=used), AIMessage("done")]
    model = GenericFakeChatModel(messages=iter(said))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        await runtime.ask("g", {"input": "x"})
    [told] = seen
    assert (told["step"], told["usage"]) == ("tools: look", [1, 3, 1, 4])


async def test_the_reply_says_nothing_of_what_models_used_that_do_not_tell():
    graph = create_agent(GenericFakeChatModel(messages=iter([AIMessage("hi")])))
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        reply = await runtime.ask("g", {"input": "x"})
    assert not [name for name in reply.headers if name.startswith("civitas-")]
