"""Calls of models in a graph, reserved however its nodes make them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from civitas import BudgetExceeded, Runtime, SQLiteStateStore, Supervisor
from civitas.testing import SuiteModel
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import told_over_a_crash
from tests.langgraph.models import PlayedModel, played


def in_a_thread(chat: PlayedModel) -> Any:
    def think(state: MessagesState) -> Any:
        return {"messages": [chat.invoke(state["messages"])]}

    return think


def awaited(chat: BaseChatModel) -> Any:
    async def think(state: MessagesState) -> Any:
        return {"messages": [await chat.ainvoke(state["messages"])]}

    return think


def blocking_the_loop(chat: PlayedModel) -> Any:
    async def think(state: MessagesState) -> Any:
        return {"messages": [chat.invoke(state["messages"])]}

    return think


def on_a_loop_of_its_own(chat: PlayedModel) -> Any:
    def think(state: MessagesState) -> Any:
        return {"messages": [asyncio.run(chat.ainvoke(state["messages"]))]}

    return think


def streamed(chat: PlayedModel) -> Any:
    async def think(state: MessagesState) -> Any:
        said = ""
        async for part in chat.astream(state["messages"]):
            said += str(part.content)
        return {"messages": [said]}

    return think


@pytest.mark.promise(id="SEM-1913")
@pytest.mark.parametrize(
    "node", [in_a_thread, awaited, blocking_the_loop, on_a_loop_of_its_own, streamed]
)
async def test_a_call_is_reserved_however_a_node_makes_it(node: Any) -> None:
    model = SuiteModel("an answer")
    graph = StateGraph(MessagesState)
    graph.add_node("think", node(played(model)))
    graph.add_edge(START, "think")
    agent = LangGraphAgent("a", graph=graph.compile(), budget={"calls": 1})
    async with Runtime(Supervisor("root", [agent])) as runtime:
        await runtime.ask("a", {"input": "hi"})
        with pytest.raises(BudgetExceeded, match="agent 'a'"):
            await runtime.ask("a", {"input": "hi"})
    assert len(model.seen) == 1


async def test_a_call_that_blocks_the_loop_says_what_to_do_where_the_root_must_be_waited_for(
    tmp_path: Any,
) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("think", blocking_the_loop(played(SuiteModel("an answer"))))
    graph.add_edge(START, "think")
    agent = LangGraphAgent("a", graph=graph.compile(), budget={"calls": 1})
    store = SQLiteStateStore(tmp_path / "s.db")
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        with pytest.raises(Exception, match="Await the call"):
            await runtime.ask("a", {"input": "hi"})
    await store.close()


class Counted(GenericFakeChatModel):
    """Says one word after the other, each of which takes 30 tokens to read and 4 to write."""


def counted(*words: str) -> Counted:
    used = {"input_tokens": 30, "output_tokens": 4, "total_tokens": 34}
    return Counted(messages=iter([AIMessage(each, usage_metadata=used) for each in words]))


@pytest.mark.promise(id="SEM-1751")
@pytest.mark.parametrize("owned", [False, True])
async def test_a_run_tells_what_the_calls_used_that_were_recorded_before_a_crash(
    owned: bool, tmp_path: Any
) -> None:
    killed: list[str] = []
    chat = counted("one", "two")

    async def deadly(state: MessagesState) -> Any:
        killed.append("once")
        if len(killed) == 1:
            raise SystemExit("killed")
        return await awaited(chat)(state)

    graph = StateGraph(MessagesState)
    graph.add_node("think", awaited(chat))
    graph.add_node("deadly", deadly)
    graph.add_edge(START, "think")
    graph.add_edge("think", "deadly")
    async with AsyncExitStack() as stack:
        saver = None
        if owned:
            own = AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db"))
            saver = await stack.enter_async_context(own)
        agent = LangGraphAgent("a", graph=graph.compile(checkpointer=saver), durable=True)
        info = await told_over_a_crash(agent, {"input": "hi"})
    assert info.usage is not None
    assert (info.deliveries, info.usage["requests"], info.usage["total_tokens"]) == (2, 2, 68)
    assert info.cost == pytest.approx(68)
