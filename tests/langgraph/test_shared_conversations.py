"""Two processes that use one conversation: one after the other as one would, at once only one of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from civitas import HandlerFailed, Runtime, Supervisor
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas_langgraph import LangGraphAgent


class Desk:
    """A graph whose node waits until it is told to go on."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def answer(self, state: MessagesState) -> Any:
        if state["messages"][-1].content == "wait":
            self.arrived.set()
            await self.goes_on.wait()
        return {"messages": [AIMessage(f"{len(state['messages'])}: " + "x" * 600)]}

    def agent(self, **keywords: Any) -> LangGraphAgent:
        builder = StateGraph(MessagesState)
        builder.add_node("answer", self.answer)
        builder.add_edge(START, "answer")
        builder.add_edge("answer", END)
        return LangGraphAgent("g", graph=builder.compile(), **keywords)


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request, tmp_path):
    """The store as each of two processes has it."""
    if request.param == "memory":
        yield [InMemoryStateStore()] * 2
        return
    both = [SQLiteStateStore(tmp_path / "state.db") for _ in range(2)]
    yield both
    for store in both:
        await store.close()


def said(reply: Any) -> list[str]:
    return [each["content"].partition(":")[0] for each in reply.payload["messages"]]


@pytest.mark.promise(id="SEM-1574")
@pytest.mark.promise(id="SEM-1585")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
async def test_of_two_runs_of_a_conversation_at_once_the_second_to_end_is_refused(stores, durable):
    desks = [Desk(), Desk()]
    async with AsyncExitStack() as stack:
        runtimes = []
        for desk, store in zip(desks, stores, strict=True):
            # Another try would begin with what the other process kept.
            agent = desk.agent(durable=durable, max_retries=0)
            runtime = Runtime(Supervisor("root", [agent]), state_store=store)
            runtimes.append(await stack.enter_async_context(runtime))
        first, second = runtimes
        await first.ask("g", {"input": "one"}, conversation="c")
        waiting = asyncio.create_task(first.ask("g", {"input": "wait"}, conversation="c"))
        await desks[0].arrived.wait()
        await second.ask("g", {"input": "two"}, conversation="c")
        desks[0].goes_on.set()
        with pytest.raises(
            HandlerFailed, match="conversation 'c' of agent 'g' was written"
        ) as failed:
            await waiting
        assert failed.value.error_type == "StateConflict"
        # Both go on with what was kept, whoever kept it last.
        assert said(await second.ask("g", {"input": "three"}, conversation="c")) == [
            *("one", "1", "two", "3", "three", "5")
        ]
        assert said(await first.ask("g", {"input": "four"}, conversation="c"))[-2:] == ["four", "7"]
        assert said(await second.ask("g", {"input": "five"}, conversation="c"))[-2:] == [
            *("five", "9")
        ]
