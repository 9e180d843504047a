"""What every adapter promises, and LangGraph's own suite for checkpointers."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt

from civitas.state import InMemoryStateStore
from civitas.testing import AdapterSuite, SuiteModel
from civitas_langgraph import StateStoreSaver, agent_tool
from tests.langgraph.models import played


class TestLangGraphAdapter(AdapterSuite):
    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Any:
        chat = played(model)

        async def think(state: MessagesState) -> Any:
            return {"messages": [await chat.ainvoke(state["messages"])]}

        def approve(state: MessagesState) -> Any:
            interrupt({"draft": state["messages"][-1].content})
            return {}

        graph = StateGraph(MessagesState)
        before: str = START
        for number in range(calls):
            name = f"think{number}"
            graph.add_node(name, think)
            graph.add_edge(before, name)
            before = name
        if approval:
            graph.add_node("approve", approve)
            graph.add_edge(before, "approve")
            before = "approve"
        if tools:
            graph.add_node("tools", ToolNode(list(tools)))
            graph.add_conditional_edges(before, tools_condition)
            graph.add_edge("tools", before)
        else:
            graph.add_edge(before, END)
        return graph.compile()

    def payload(self, text: str) -> Any:
        return {"input": text}

    def text(self, payload: Any) -> str:
        text: str = payload["messages"][-1]["content"]
        return text

    def tool(self, name: str) -> Any:
        return agent_tool(name, description="helps")


@pytest.mark.promise(id="SEM-979")
async def test_the_saver_passes_langgraphs_own_suite_in_all_its_capabilities():
    @checkpointer_test(name="StateStoreSaver")
    async def saver():
        yield StateStoreSaver(InMemoryStateStore(), "threads:")

    report = await validate(saver)
    assert report.passed_all()
    assert all(each.detected and each.passed for each in report.results.values())
    assert len(report.results) == 8
