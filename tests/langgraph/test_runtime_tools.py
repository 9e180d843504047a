"""Tools of the runtime as tools of LangChain."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from civitas import Runtime, Supervisor, wrap
from civitas_langgraph import runtime_tools
from tests.core.frameworks.shared_tools import double


def graph_of(tools: list[Any]) -> Any:
    """A graph that calls the tools as the last message says."""
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    return graph.compile()


@pytest.mark.promise(id="SEM-1888")
@pytest.mark.parametrize(("number", "said"), [(4, "8"), (-1, "Error: it is below 0")])
async def test_a_graph_calls_a_tool_of_the_runtime(number: int, said: str) -> None:
    call = {"name": "double", "args": {"number": number}, "id": "1", "type": "tool_call"}
    agent = wrap(lambda: graph_of(runtime_tools()), name="g")
    async with Runtime(Supervisor("root", [agent]), tools=[double]) as runtime:
        asked = {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}
        answer = await runtime.ask("g", asked)
        assert answer.payload["messages"][-1]["content"] == said
