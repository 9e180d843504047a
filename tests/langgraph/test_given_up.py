"""A durable run that is given up leaves its conversation as it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from civitas.errors import AskTimeout, CivitasError, HandlerFailed
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.frameworks.support import restarts, running
from tests.core.support import keys_beside_runs


class Desk:
    """A model that calls a tool when it is told to, and a tool that hangs or fails."""

    def __init__(self) -> None:
        self.saw: list[list[str]] = []
        self.hangs = asyncio.Event()

    def model(self, state: MessagesState) -> Any:
        messages = state["messages"]
        self.saw.append([each.type for each in messages])
        said = str(messages[-1].content)
        if messages[-1].type == "human" and said != "hello":
            call = {"name": said, "args": {}, "id": "c1"}
            return {"messages": [AIMessage("", tool_calls=[call])]}
        return {"messages": [AIMessage("fine")]}

    async def tools(self, state: MessagesState) -> Any:
        name = state["messages"][-1].tool_calls[0]["name"]  # type: ignore[union-attr]
        if name == "crash":
            raise MemoryError("each time")
        if name == "hang":
            self.hangs.set()
            await asyncio.Event().wait()
        if name == "ask":
            return {"messages": [AIMessage(interrupt("sure?"))]}
        return {"messages": [AIMessage("again", tool_calls=state["messages"][-1].tool_calls)]}  # type: ignore[union-attr]

    def graph(self, **compiled: Any) -> Any:
        def ends(state: MessagesState) -> str:
            last = state["messages"][-1]
            return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

        builder = StateGraph(MessagesState)
        builder.add_node("model", self.model)
        builder.add_node("tools", self.tools)
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", ends, ["tools", END])
        builder.add_conditional_edges("tools", ends, ["tools", END])
        return builder.compile(**compiled)


async def asker_that_leaves(runtime: Runtime, desk: Desk) -> None:
    asking = asyncio.create_task(runtime.ask("g", {"input": "hang"}, conversation="c"))
    await desk.hangs.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def asker_whose_time_is_up(runtime: Runtime, desk: Desk) -> None:
    with pytest.raises(AskTimeout):
        await runtime.ask("g", {"input": "hang"}, conversation="c", timeout=0.2)


async def reader_that_leaves(runtime: Runtime, desk: Desk) -> None:
    stream = runtime.stream("g", {"input": "hang"}, conversation="c")
    async for message in stream:
        if message.payload == {"name": "tools"}:
            break
    await stream.aclose()


async def deliveries_used_up(runtime: Runtime, desk: Desk) -> None:
    with pytest.raises(HandlerFailed):
        await runtime.ask("g", {"input": "crash"}, conversation="c")


async def recursion_limit(runtime: Runtime, desk: Desk) -> None:
    with pytest.raises(HandlerFailed) as failed:
        await runtime.ask("g", {"input": "go on"}, conversation="c")
    assert failed.value.error_type == "GraphRecursionError"


GIVEN_UP = [
    asker_that_leaves,
    asker_whose_time_is_up,
    reader_that_leaves,
    deliveries_used_up,
    recursion_limit,
]


def agent(desk: Desk, **compiled: Any) -> LangGraphAgent:
    return LangGraphAgent(
        "g", graph=desk.graph(**compiled), durable=True, config={"recursion_limit": 10}
    )


@pytest.mark.promise(id="SEM-1003")
@pytest.mark.parametrize("before", [False, True], ids=["new", "begun"])
@pytest.mark.parametrize("give_up", GIVEN_UP, ids=lambda each: each.__name__)
async def test_a_durable_run_that_is_given_up_leaves_its_conversation_as_it_was(give_up, before):
    desk, store = Desk(), InMemoryStateStore()
    supervisor = Supervisor("root", [agent(desk)], backoff="NONE", max_restarts=9)
    async with Runtime(supervisor, state_store=store) as runtime:
        if before:
            await runtime.ask("g", {"input": "hello"}, conversation="c")
        kept = await store.get("civitas:conversation:g/c")
        await give_up(runtime, desk)
        assert await store.get("civitas:conversation:g/c") == kept
        desk.saw.clear()
        await runtime.ask("g", {"input": "hello"}, conversation="c")
    assert desk.saw == [["human", "ai", "human"] if before else ["human"]]
    assert len(await keys_beside_runs(store)) == await keys_of(["hello"] * (2 if before else 1))


async def keys_of(texts: list[str]) -> int:
    """How many keys a conversation takes in which nothing was given up."""
    store = InMemoryStateStore()
    async with Runtime(Supervisor("root", [agent(Desk())]), state_store=store) as runtime:
        for text in texts:
            await runtime.ask("g", {"input": text}, conversation="c")
    return len(await keys_beside_runs(store))


@pytest.fixture(params=["memory", "sqlite", "state store"])
async def own(request, tmp_path):
    """Checkpointers of the user's own."""
    if request.param == "memory":
        yield InMemorySaver()
    elif request.param == "state store":
        yield StateStoreSaver(InMemoryStateStore(), "t:")
    else:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            yield saver


@pytest.mark.promise(id="SEM-1011")
@pytest.mark.parametrize("before", [False, True], ids=["new", "begun"])
async def test_so_it_does_under_a_checkpointer_of_the_users_own(own, before):
    desk, store = Desk(), InMemoryStateStore()
    supervisor = Supervisor("root", [agent(desk, checkpointer=own)], backoff="NONE")
    async with Runtime(supervisor, state_store=store) as runtime:
        if before:
            await runtime.ask("g", {"input": "hello"}, conversation="c")
        for give_up in (asker_that_leaves, recursion_limit, asker_that_leaves):
            desk.hangs.clear()
            await give_up(runtime, desk)
        desk.saw.clear()
        for _ in range(2):
            await runtime.ask("g", {"input": "hello"}, conversation="c")
    first = ["human", "ai", "human"] if before else ["human"]
    assert desk.saw == [first, [*first, "ai", "human"]]
    assert await keys_beside_runs(store) == []


@pytest.mark.promise(id="SEM-1011")
async def test_a_run_that_goes_on_after_one_that_was_given_up_keeps_what_it_did(own):
    hangs, ran = asyncio.Event(), []

    async def look(state: MessagesState) -> Any:
        ran.append("look")
        if state["messages"][-1].content == "hang":
            hangs.set()
            await asyncio.Event().wait()
        return {"messages": [AIMessage("looked")]}

    def say(state: MessagesState) -> Any:
        ran.append("say")
        if state["messages"][-2].content == "hello" and ran.count("say") == 2:
            raise MemoryError  # the agent crashes
        return {"messages": [AIMessage("fine")]}

    builder = StateGraph(MessagesState)
    builder.add_node("look", look)
    builder.add_node("say", say)
    builder.add_edge(START, "look")
    builder.add_edge("look", "say")
    graph = LangGraphAgent("g", graph=builder.compile(checkpointer=own), durable=True)
    async with running(graph) as runtime:
        await runtime.ask("g", {"input": "one"}, conversation="c")
        asking = asyncio.create_task(runtime.ask("g", {"input": "hang"}, conversation="c"))
        await hangs.wait()
        asking.cancel()
        reply = await runtime.ask("g", {"input": "hello"}, conversation="c")
        assert restarts(runtime) == 1
    assert ran == ["look", "say", "look", "look", "say", "say"]
    said = [each["content"] for each in reply.payload["messages"]]
    assert said == ["one", "looked", "fine", "hello", "looked", "fine"]


@pytest.mark.promise(id="SEM-1003")
async def test_an_answer_whose_run_is_given_up_leaves_the_question_open():
    desk = Desk()

    async def after(state: MessagesState) -> Any:
        desk.hangs.set()
        if state["messages"][-1].content == "hang":
            await asyncio.Event().wait()

    builder = StateGraph(MessagesState)
    builder.add_node("tools", desk.tools)
    builder.add_node("after", after)
    builder.add_edge(START, "tools")
    builder.add_edge("tools", "after")
    asks = AIMessage("", tool_calls=[{"name": "ask", "args": {}, "id": "c1"}])
    graph = LangGraphAgent("g", graph=builder.compile(), durable=True)
    async with running(graph) as runtime:
        question = await runtime.ask("g", {"messages": [asks.model_dump()]}, conversation="c")
        answering = asyncio.create_task(
            runtime.ask("g", {"value": "hang"}, "resume", conversation="c")
        )
        await desk.hangs.wait()
        answering.cancel()
        id = question.payload["interrupts"][0]["id"]
        reply = await runtime.ask("g", {"id": id, "value": "go"}, "resume", conversation="c")
        with pytest.raises(CivitasError):
            await runtime.ask("g", {"value": "no"}, "resume", conversation="c")
    assert [each["content"] for each in reply.payload["messages"]] == ["", "go"]
