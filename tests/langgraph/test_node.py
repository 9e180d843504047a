"""Agents of the system as nodes of a graph."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from civitas.errors import ConfigurationError, HandlerFailed
from civitas.process import AgentProcess
from civitas_langgraph import LangGraphAgent, agent_node
from tests.core.frameworks.support import running


class State(TypedDict, total=False):
    topic: str
    draft: str
    seen: Any


class Writer(AgentProcess):
    """Says what it was asked, and how often."""

    def __init__(self, name: str, asked: list[Any] | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.asked = [] if asked is None else asked

    async def handle(self, message: Any) -> Any:
        self.asked.append(message.payload)
        if message.payload == "hang":
            await asyncio.sleep(60)
        if message.payload == "fail":
            raise ValueError("no idea")
        return self.reply({"draft": f"on {message.payload}", "more": 1})


def graph_of(node: Any, state: Any = State) -> Any:
    graph = StateGraph(state)
    graph.add_node("write", node)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph.compile()


async def update(node: Any, payload: Any, writer: Any = None) -> Any:
    graph = LangGraphAgent("g", graph=graph_of(node))
    async with running(writer or Writer("writer"), graph) as runtime:
        return (await runtime.ask("g", payload)).payload


@pytest.mark.promise(id="SEM-1860")
@pytest.mark.parametrize(
    ("takes", "gives", "expected"),
    [
        ("topic", ["draft"], {"topic": "otters", "draft": "on otters"}),
        (["topic"], ["draft"], {"topic": "otters", "draft": "on {'topic': 'otters'}"}),
        (None, ["draft"], {"topic": "otters", "draft": "on {'topic': 'otters'}"}),
        ("topic", "seen", {"topic": "otters", "seen": {"draft": "on otters", "more": 1}}),
        (
            lambda state: state["topic"].upper(),
            lambda payload: {"draft": payload["draft"] + "!"},
            {"topic": "otters", "draft": "on OTTERS!"},
        ),
    ],
)
async def test_keys_of_the_state_are_the_payload_and_keys_of_the_reply_the_update(
    takes, gives, expected
):
    node = agent_node("writer", takes=takes, gives=gives)
    assert await update(node, {"topic": "otters"}) == expected


async def test_messages_go_to_another_graph_and_come_back_once():
    def answer(state: MessagesState) -> Any:
        return {"messages": [("ai", f"you said {state['messages'][-1].content}")]}

    outer = graph_of(agent_node("chat"), MessagesState)
    inner = graph_of(answer, MessagesState)
    agents = LangGraphAgent("g", graph=outer), LangGraphAgent("chat", graph=inner)
    async with running(*agents) as runtime:
        reply = await runtime.ask("g", {"input": "hello"})
    assert [each["content"] for each in reply.payload["messages"]] == ["hello", "you said hello"]


@pytest.mark.promise(id="SEM-1860")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_question_of_the_agent_is_one_of_the_graph_and_the_agent_is_asked_once(durable):
    begun: list[str] = []

    def think(state: State) -> Any:
        begun.append(state["topic"])
        return {"draft": "thought"}

    def ask(state: State) -> Any:
        return {"draft": f"{interrupt('sure?')} and {interrupt('really?')}"}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("ask", ask)
    graph.add_edge(START, "think")
    graph.add_edge("think", "ask")
    outer = graph_of(agent_node("writer", takes=["topic"], gives=["draft"]))
    agents = (
        LangGraphAgent("g", graph=outer, durable=durable),
        LangGraphAgent("writer", graph=graph.compile(), durable=durable),
    )
    async with running(*agents) as runtime:
        asked = await runtime.ask("g", {"topic": "otters"})
        for said, question in ("yes", "sure?"), ("truly", "really?"):
            assert asked.type == "interrupt"
            assert [each["value"] for each in asked.payload["interrupts"]] == [question]
            asked = await runtime.ask(
                "g", {"value": said}, "resume", conversation=asked.conversation
            )
    assert asked.payload["draft"] == "yes and truly"
    assert begun == ["otters"]


@pytest.mark.promise(id="SEM-1860")
async def test_a_failure_of_the_agent_is_raised_in_the_node():
    node = agent_node("writer", takes="topic", gives=["draft"])
    with pytest.raises(HandlerFailed, match="'writer' failed: ValueError: no idea"):
        await update(node, {"topic": "fail"})


@pytest.mark.promise(id="SEM-1860")
async def test_what_a_cancelled_run_has_asked_ends_with_it():
    asked: list[Any] = []
    writer = Writer("writer", asked, cancel_on_timeout=True)
    graph = LangGraphAgent("g", graph=graph_of(agent_node("writer", takes="topic", gives="seen")))
    async with running(writer, graph) as runtime:
        asking = asyncio.ensure_future(runtime.ask("g", {"topic": "hang"}))
        while not asked:
            await asyncio.sleep(0)
        asking.cancel()
        reply = await asyncio.wait_for(runtime.ask("g", {"topic": "otters"}), 5)
    assert reply.payload["seen"]["draft"] == "on otters"


@pytest.mark.promise(id="SEM-1860")
async def test_it_is_part_of_the_trace(spans):
    await update(agent_node("writer", takes="topic", gives=["draft"]), {"topic": "otters"})
    outline = [each.strip() for each in spans.outline()]
    assert outline.index("invoke_workflow g") < outline.index("send writer")
    assert outline.index("send writer") < outline.index("process writer")


async def test_what_does_not_fit_is_refused_and_says_what_does():
    with pytest.raises(ConfigurationError, match="takes must be the name of a key"):
        agent_node("writer", takes=[])
    with pytest.raises(ConfigurationError, match=r"agent_node\('writer'\): timeout"):
        agent_node("writer", timeout=-1)
    with pytest.raises(ConfigurationError, match="called outside one"):
        await agent_node("writer")({"topic": "x"})
    with pytest.raises(HandlerFailed, match="takes names 'tone', which is not in the state"):
        await update(agent_node("writer", takes=["tone"]), {"topic": "x"})
    with pytest.raises(HandlerFailed, match="gives names 'title', which is not in the answer"):
        await update(agent_node("writer", gives=["title"]), {"topic": "x"})
