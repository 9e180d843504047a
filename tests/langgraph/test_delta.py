"""Channels that LangGraph keeps as what was written to them: `DeltaChannel`, and every other kind beside it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels import AnyValue, DeltaChannel, EphemeralValue, Topic
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import _messages_delta_reducer
from langgraph.types import Command, Overwrite, interrupt

from civitas import Runtime, Supervisor
from civitas.frameworks import plain
from civitas.state import InMemoryStateStore
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from civitas_langgraph._payload import flat_message
from tests.core.frameworks.support import restarts, running, transcript


def join(state: list[Any], writes: Sequence[list[Any]]) -> list[Any]:
    return [*state, *(each for write in writes for each in write)]


def merge(state: dict[str, Any], writes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged = dict(state)
    for each in writes:
        merged.update(each)
    return merged


class Talk(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]
    said: Annotated[list[Any], DeltaChannel(join, snapshot_frequency=3)]
    files: Annotated[dict[str, Any], DeltaChannel(merge)]
    total: Annotated[int, operator.add]
    seen: Annotated[list[Any], Topic(str, accumulate=True)]
    passing: Annotated[str, EphemeralValue(str, guard=False)]
    any: Annotated[str, AnyValue(str)]
    last: str


def say(state: Any) -> Any:
    heard = len(state["said"])
    return {
        "said": [f"heard {heard}"],
        "files": {f"f{heard}": state["last"]},
        "total": 1,
        "seen": state["last"],
        "passing": "p",
        "any": "a",
    }


def aside(state: Any) -> Any:
    return {"said": ["aside"], "any": "a", "total": 10}


def meet(state: Any) -> Any:
    if state["last"] == "ask":
        return {"said": [interrupt("sure?")]}
    if state["last"] == "over":
        return {"said": Overwrite(["anew"])}
    return {"last": state["last"]}


def talk(**compiled: Any) -> Any:
    builder = StateGraph(Talk)
    for node in (say, aside):
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    builder.add_node("meet", meet, defer=True)
    builder.add_edge(["say", "aside"], "meet")
    builder.add_edge("meet", END)
    return builder.compile(**compiled)


def nested(remembers: bool) -> Any:
    def build(**compiled: Any) -> Any:
        class Outer(Talk, total=False):
            outer: Annotated[list[Any], DeltaChannel(join)]

        def log(state: Any) -> Any:
            return {"outer": [state["last"]]}

        builder = StateGraph(Outer)
        builder.add_node("inner", talk(checkpointer=True if remembers else None))
        builder.add_node("log", log)
        builder.add_edge(START, "log")
        builder.add_edge("log", "inner")
        return builder.compile(**compiled)

    return build


def payload(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text, id=text)], "said": [text], "last": text}


async def langgraphs_own(build: Any, texts: list[str]) -> list[Any]:
    """What the graph answers under LangGraph's own checkpointer."""
    graph, config = build(checkpointer=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    answers = []
    for text in texts:
        result = await graph.ainvoke(payload(text), config)
        if "__interrupt__" in result:
            result = await graph.ainvoke(Command(resume="yes"), config)
        answers.append(
            plain(
                result, lambda each: flat_message(each) if isinstance(each, HumanMessage) else each
            )
        )
    return answers


@pytest.mark.promise(id="SEM-1001")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
@pytest.mark.parametrize(
    "build", [talk, nested(False), nested(True)], ids=["graph", "subgraph", "subgraph with memory"]
)
async def test_a_conversation_remembers_channels_of_every_kind_as_langgraph_does(build, durable):
    texts = ["one", "ask", "two", "over", "three", "ask", "four"]
    store, answers = InMemoryStateStore(), []
    for half in (texts[:3], texts[3:]):  # over a restart of the system
        agent = LangGraphAgent("g", graph=build(), durable=durable)
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            for text in half:
                reply = await runtime.ask("g", payload(text), conversation="c")
                if reply.type == "interrupt":
                    reply = await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
                answers.append(reply.payload)
    assert answers == await langgraphs_own(build, texts)


@pytest.mark.promise(id="SEM-1001")
async def test_a_durable_run_that_goes_on_has_the_users_message_and_the_conversation_before_it():
    fails = [1]

    def answer(state: Any) -> Any:
        if state["last"] == "two" and fails:
            fails.pop()
            raise RuntimeError("once")
        return {"said": [f"answer {len(state['said'])}"]}

    builder = StateGraph(Talk)
    builder.add_node("look", lambda state: {"said": ["looked"]})
    builder.add_node("answer", answer)
    builder.add_edge(START, "look")
    builder.add_edge("look", "answer")
    agent = LangGraphAgent("g", graph=builder.compile(), durable=True)
    async with running(agent) as runtime:
        await runtime.ask("g", payload("one"), conversation="c")
        reply = await runtime.ask("g", payload("two"), conversation="c")
    assert reply.payload["said"] == ["one", "looked", "answer 2", "two", "looked", "answer 5"]
    assert fails == []


async def test_what_is_kept_for_a_delta_channel_ends_at_its_last_snapshot():
    store = InMemoryStateStore()
    kept = []

    agent = LangGraphAgent("g", graph=saying(DeltaChannel(join, snapshot_frequency=4)))
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for _ in range(12):
            await runtime.ask("g", {"said": ["x"]}, conversation="c")
            kept.append(await count(StateStoreSaver(store, "civitas:conversation:g/"), "c"))
    assert max(kept) <= 4


def saying(channel: Any, **compiled: Any) -> Any:
    State = TypedDict("State", {"said": Annotated[list[Any], channel]})  # noqa: UP013
    builder = StateGraph(State)
    builder.add_node("say", lambda state: {"said": [len(state["said"])]})
    builder.add_edge(START, "say")
    return builder.compile(**compiled)


# The saver itself.


async def thread_of(saver: Any, texts: str) -> Any:
    graph = saying(DeltaChannel(join, snapshot_frequency=3), checkpointer=saver)
    for text in texts:
        await graph.ainvoke(
            {"said": [text]}, {"configurable": {"thread_id": "t"}, "metadata": {"run_id": text}}
        )
    return graph


async def count(saver: Any, thread: str = "t") -> int:
    return len([each async for each in saver.alist({"configurable": {"thread_id": thread}})])


async def said(graph: Any, thread: str = "t") -> Any:
    return (await graph.aget_state({"configurable": {"thread_id": thread}})).values["said"]


@pytest.mark.promise(id="SEM-1002")
async def test_a_thread_that_is_copied_or_pruned_keeps_what_its_delta_channels_are_rebuilt_from():
    saver = StateStoreSaver(InMemoryStateStore(), "t:")
    graph = await thread_of(saver, "abcd")
    before, kept = await said(graph), await count(saver)
    assert before == ["a", 1, "b", 3, "c", 5, "d", 7]
    await saver.acopy_thread("t", "copy")
    for _ in range(2):
        await saver.aprune(["t"])
        assert await said(graph) == await said(graph, "copy") == before
    assert 1 < await count(saver) < kept


@pytest.mark.promise(id="SEM-1002")
async def test_runs_that_are_forgotten_leave_what_later_ones_are_rebuilt_from():
    saver = StateStoreSaver(InMemoryStateStore(), "t:")
    graph = await thread_of(saver, "abcd")
    before = await said(graph)
    await saver.adelete_for_runs(["b", "c"])
    assert await said(graph) == before
    await saver.adelete_for_runs(["d"])
    assert await said(graph) != before


@pytest.mark.promise(id="SEM-1002")
async def test_every_checkpoint_of_a_history_has_the_state_that_it_had():
    ours, langgraphs = StateStoreSaver(InMemoryStateStore(), "t:"), InMemorySaver()
    states = []
    for saver in (ours, langgraphs):
        graph = await thread_of(saver, "abc")
        config: Any = {"configurable": {"thread_id": "t"}}
        states.append([each.values.get("said") async for each in graph.aget_state_history(config)])
    assert states[0] == states[1]


async def test_a_channel_that_becomes_a_delta_channel_goes_on_from_its_value():
    store, replies = InMemoryStateStore(), []
    for channel in (operator.add, DeltaChannel(join), DeltaChannel(join), operator.add):
        agent = LangGraphAgent("g", graph=saying(channel))
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            reply = await runtime.ask("g", {"said": ["x"]}, conversation="c")
            replies.append(reply.payload["said"])
            assert restarts(runtime) == 0
    assert replies[-1] == ["x", 1, "x", 3, "x", 5, "x", 7]


@pytest.mark.promise(id="SEM-1569")
async def test_civitas_state_shows_messages_that_are_kept_as_what_was_written():
    class Chat(TypedDict, total=False):
        messages: Annotated[
            list[AnyMessage], DeltaChannel(_messages_delta_reducer, snapshot_frequency=3)
        ]

    builder = StateGraph(Chat)
    builder.add_node("say", lambda state: {"messages": [AIMessage(f"{len(state['messages'])}")]})
    builder.add_edge(START, "say")
    store = InMemoryStateStore()
    agent = LangGraphAgent("g", graph=builder.compile())
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for text in "abc":
            await runtime.ask("g", {"input": text}, conversation="c")
    assert await transcript(store, "g", "c") == [
        *("user: a", "assistant: 1", "user: b", "assistant: 3", "user: c", "assistant: 5")
    ]
