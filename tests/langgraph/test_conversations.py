"""Threads under a conversation, beyond what the suite shows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from civitas import wrap
from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas.frameworks.conversations import WHOLE_HISTORY
from civitas.message import encode
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, Retention
from civitas.supervision import ConversationPool, Supervisor
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running, transcript


def more(before: list[Any] | None, new: list[Any]) -> list[Any]:
    return [*(before or []), *new]


class Said(TypedDict):
    said: Annotated[list[Any], more]


class Counted(TypedDict, total=False):
    x: int
    n: int


def graph_of(*nodes: Any, **compiled: Any) -> Any:
    builder = StateGraph(Said)
    before: str = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    builder.add_edge(before, END)
    return builder.compile(**compiled)


async def fine(state: Said) -> Any:
    if state["said"][-1] == "fail":
        raise KeyError("fail")
    return {"said": ["fine"]}


async def after(state: Said) -> Any:
    if state["said"][-2] == "fail later":
        raise KeyError("fail later")
    return {"said": ["after"]}


async def test_a_run_that_fails_leaves_no_trace_in_its_thread():
    async with running(LangGraphAgent("g", graph=graph_of(fine, after))) as runtime:
        await runtime.ask("g", {"said": ["one"]}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("g", {"said": ["fail later"]}, conversation="c")
        reply = await runtime.ask("g", {"said": ["two"]}, conversation="c")
    assert reply.payload["said"] == ["one", "fine", "after", "two", "fine", "after"]


async def test_the_users_own_checkpointer_is_used_with_the_conversation_as_thread():
    saver, store = InMemorySaver(), InMemoryStateStore()
    agent = LangGraphAgent("g", graph=graph_of(fine, checkpointer=saver))
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        await runtime.ask("g", {"said": ["one"]}, conversation="c")
        reply = await runtime.ask("g", {"said": ["two"]}, conversation="c")
    assert reply.payload["said"] == ["one", "fine", "two", "fine"]
    assert [each.config["configurable"]["thread_id"] for each in saver.list(None)] == ["c"] * 6
    assert await store.keys("") == []


async def test_what_is_kept_of_a_conversation_does_not_grow_with_its_runs():
    store = InMemoryStateStore()

    async def count(state: Counted) -> Any:
        return {"n": state.get("n", 0) + 1}

    builder = StateGraph(Counted)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    agent = LangGraphAgent("g", graph=builder.compile())
    sizes = []
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for _ in range(5):
            await runtime.ask("g", {"x": 1}, conversation="c")
            sizes.append(len(encode(await store.get("civitas:conversation:g/c"))))
    assert max(sizes) - min(sizes) < 50
    assert await store.keys("") == ["civitas:conversation:g/c"]


async def test_a_graph_compiled_without_checkpoints_on_purpose_has_no_memory():
    graph = graph_of(fine, checkpointer=False)
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"said": ["one"]}, conversation="c")
        reply = await runtime.ask("g", {"said": ["two"]}, conversation="c")
    assert reply.payload["said"] == ["two", "fine"]


async def test_a_graph_compiled_without_checkpoints_cannot_be_durable():
    agent = LangGraphAgent("g", graph=graph_of(fine, checkpointer=False), durable=True)
    with pytest.raises(StartFailed, match="compiled with checkpointer=False") as failed:
        async with running(agent):
            pass
    assert isinstance(failed.value.cause, ConfigurationError)


async def test_200_conversations_run_at_once():
    arrived, everybody = [0], asyncio.Event()

    async def meet(state: Said) -> Any:
        arrived[0] += 1
        if arrived[0] == 200:
            everybody.set()
        await everybody.wait()
        return {"said": ["met"]}

    pool = wrap(graph_of(meet), name="g", per_conversation=True)
    assert isinstance(pool, ConversationPool)
    children: list[AgentProcess | ConversationPool] = [pool]
    async with Runtime(Supervisor("root", children)) as runtime:
        replies = await asyncio.gather(
            *(runtime.ask("g", {"said": [n]}, conversation=f"{n}") for n in range(200))
        )
    assert [each.payload["said"] for each in replies] == [[n, "met"] for n in range(200)]


async def test_two_messages_of_one_conversation_never_run_at_once():
    at_once, most = [0], [0]

    async def busy(state: Said) -> Any:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        await asyncio.sleep(0)
        at_once[0] -= 1
        return {"said": []}

    pool = wrap(graph_of(busy), name="g", per_conversation=True)
    async with Runtime(Supervisor("root", [pool])) as runtime:
        replies = await asyncio.gather(
            *(runtime.ask("g", {"said": [n]}, conversation="c") for n in range(20))
        )
    assert most == [1]
    assert replies[-1].payload["said"] == list(range(20))


async def test_a_history_that_comes_along_replaces_what_the_thread_knows():
    """As it does where an agent of another framework hands over."""
    heard: list[list[str]] = []

    def answer(state: MessagesState) -> Any:
        heard.append([str(each.content) for each in state["messages"]])
        return {"messages": [AIMessage("fine")]}

    builder = StateGraph(MessagesState)
    builder.add_node(answer)
    builder.add_edge(START, "answer")
    handed_over = {WHOLE_HISTORY: "1"}
    first = [{"role": "user", "content": "one"}]
    more = [*first, {"role": "assistant", "content": "fine"}, {"role": "user", "content": "two"}]
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        for history in (first, more):
            await runtime.ask("g", {"input": history}, conversation="c", headers=handed_over)
        await runtime.ask("g", {"input": "three"}, conversation="c")
    assert heard == [["one"], ["one", "fine", "two"], ["one", "fine", "two", "fine", "three"]]


@pytest.mark.promise(id="SEM-1569")
async def test_civitas_state_shows_what_was_said():
    async def answer(state: MessagesState) -> Any:
        call = {"name": "look", "args": {"at": "it"}, "id": "1"}
        return {
            "messages": [
                AIMessage("", tool_calls=[call]),
                ToolMessage("found", tool_call_id="1"),
                AIMessage("done"),
            ]
        }

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    store = InMemoryStateStore()
    agents = [
        LangGraphAgent("g", graph=builder.compile()),
        LangGraphAgent("count", graph=counting()),
    ]
    async with Runtime(Supervisor("root", children=agents), state_store=store) as runtime:
        await runtime.ask("g", {"input": "one"}, conversation="c")
        await runtime.ask("count", {"x": 1}, conversation="c")
    assert await transcript(store, "g", "c") == [
        "user: one",
        'assistant calls look({"at": "it"})',
        "tool look: found",
        "assistant: done",
    ]
    assert await transcript(store, "count", "c") == ['state: {"x": 1, "n": 1}']
    await store.set("civitas:conversation:g/old", first_form())
    assert await transcript(store, "g", "old") == ["user: one"]


def counting() -> Any:
    builder = StateGraph(Counted)
    builder.add_node("count", lambda state: {"n": state.get("n", 0) + 1})
    builder.add_edge(START, "count")
    return builder.compile()


def first_form() -> dict[str, Any]:
    """A thread as it was kept first."""
    checkpoint = {**empty_checkpoint(), "channel_values": {"messages": [HumanMessage("one")]}}
    return {
        "": {
            "1": {
                "checkpoint": list(JsonPlusSerializer().dumps_typed(checkpoint)),
                "metadata": list(JsonPlusSerializer().dumps_typed({})),
                "run_id": None,
                "parent": None,
                "writes": [],
            }
        }
    }


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1572")
async def test_a_long_conversation_keeps_its_newest_turns(durable: bool):
    async def answer(state: MessagesState) -> Any:
        return {"messages": [AIMessage(f"{len(state['messages'])}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    store = InMemoryStateStore()
    agent = LangGraphAgent("g", graph=builder.compile(), durable=durable)
    root = Supervisor("root", children=[agent])
    async with Runtime(root, state_store=store, conversations=Retention(longest=4)) as runtime:
        for text in "abcd":
            reply = await runtime.ask("g", {"input": text}, conversation="c")
        assert [each["content"] for each in reply.payload["messages"]] == [
            *("b", "3", "c", "5", "d", "5"),
        ]
    assert await transcript(store, "g", "c") == [
        *("user: c", "assistant: 5", "user: d", "assistant: 5"),
    ]


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1576")
async def test_a_long_thread_that_nobody_uses_is_shortened_in_the_background(durable: bool):
    async def answer(state: MessagesState) -> Any:
        if state["messages"][-1].content == "wait":
            interrupt("sure?")
        return {"messages": [AIMessage("a" * 600)]}

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    graph, store = builder.compile(), InMemoryStateStore()

    def system(**keep: Any) -> Runtime:
        agent = LangGraphAgent("g", graph=graph, durable=durable)
        root = Supervisor("root", children=[agent])
        return Runtime(root, state_store=store, conversations=Retention(**keep))

    async with system() as runtime:
        for text in ("one", "two", "wait"):
            await runtime.ask("g", {"input": text}, conversation="b")
        for text in ("one", "two", "three"):
            await runtime.ask("g", {"input": text}, conversation="c")
    before = await transcript(store, "g", "b")
    async with system(longest=2) as runtime:
        while len(await transcript(store, "g", "c")) > 2:
            await asyncio.sleep(0)
        assert await transcript(store, "g", "b") == before
        reply = await runtime.ask("g", {"input": "four"}, conversation="c")
        said = [each["content"] for each in reply.payload["messages"]]
        assert said == ["three", "a" * 600, "four", "a" * 600]
