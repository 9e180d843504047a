"""The idempotency keys of the tool calls of a graph."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from civitas.frameworks import idempotency_key
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running


def call(name: str, id: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id}


def payload(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [AIMessage("", tool_calls=list(calls)).model_dump()]}


def graph_of(node: Any) -> Any:
    return StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile()


class Bank:
    """A service that is charged, and drops what has a key that it knows.

    Attributes:
        keys: Those that came, with each its amount, in their order.
        fails: What of a charge is left out: it raises the first time.
    """

    def __init__(self, fails: int | None = None) -> None:
        self.keys: list[tuple[int, str]] = []
        self._fails = fails

    def charge(self, amount: int) -> str:
        self.keys.append((amount, idempotency_key()))
        if self._fails == amount:
            self._fails = None
            raise RuntimeError("cut off")
        return f"charged {amount}"

    def keys_of(self, amount: int) -> set[str]:
        return {key for each, key in self.keys if each == amount}

    def tool(self, *, in_thread: bool = False) -> BaseTool:
        if in_thread:

            @tool("charge")
            def charge_in_thread(amount: int) -> str:
                """Charge it."""
                return self.charge(amount)

            return charge_in_thread

        @tool
        async def charge(amount: int) -> str:
            """Charge it."""
            await asyncio.sleep(0)
            return self.charge(amount)

        return charge

    def node(self, **options: Any) -> ToolNode:
        return ToolNode([self.tool(**options)], handle_tool_errors=False)


def in_a_function(node: ToolNode) -> Any:
    async def run(state: MessagesState) -> Any:
        return await node.ainvoke(state)

    return run


def in_a_plain_function(node: ToolNode) -> Any:
    def run(state: MessagesState) -> Any:
        return node.invoke(state)

    return run


@pytest.mark.promise(id="SEM-1699")
@pytest.mark.parametrize("ids", [("c1", "c2"), ("c", "c")], ids=["ids", "the same id"])
@pytest.mark.parametrize("more", [{}, {"on_ambiguous": "interrupt"}], ids=["plain", "asks"])
async def test_each_call_of_a_tool_node_has_a_key_of_its_own_that_stays(
    more: Any, ids: tuple[str, str]
) -> None:
    bank = Bank(fails=4)
    agent = LangGraphAgent("g", graph=graph_of(bank.node()), durable=True, **more)
    async with running(agent) as runtime:
        await runtime.ask(
            "g", payload(call("charge", ids[0], amount=3), call("charge", ids[1], amount=4))
        )
    assert [amount for amount, _ in bank.keys].count(4) == 2  # the second time it went well
    assert len(bank.keys_of(3)) == len(bank.keys_of(4)) == 1
    assert bank.keys_of(3) != bank.keys_of(4)


@pytest.mark.promise(id="SEM-1699")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(
    ("around", "in_thread"),
    [(lambda node: node, True), (in_a_function, False), (in_a_plain_function, True)],
    ids=["in threads", "in a function", "in a plain function"],
)
async def test_it_does_not_matter_where_the_tool_node_runs(
    around: Callable[[ToolNode], Any], in_thread: bool, durable: bool
) -> None:
    bank = Bank()
    graph = graph_of(around(bank.node(in_thread=in_thread)))
    async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
        await runtime.ask("g", payload(*(call("charge", f"c{n}", amount=n) for n in (3, 4))))
    assert len({key for _, key in bank.keys}) == len(bank.keys) == 2


@pytest.mark.promise(id="SEM-1699")
@pytest.mark.parametrize("more", [{}, {"on_ambiguous": "interrupt"}], ids=["plain", "asks"])
async def test_a_graph_in_a_tool_has_keys_for_its_own_nodes_and_tool_calls(more: Any) -> None:
    bank, nodes = Bank(), list[str]()

    async def note(state: MessagesState) -> None:
        nodes.append(idempotency_key())

    builder = StateGraph(MessagesState).add_node("note", note).add_node("tools", bank.node())
    inner = builder.add_edge(START, "note").add_edge("note", "tools").compile()

    @tool
    async def clerk(first: int) -> str:
        """Charge it, and one more."""
        calls = [call("charge", f"c{n}", amount=n) for n in (first, first + 1)]
        await inner.ainvoke({"messages": [AIMessage("", tool_calls=calls)]})
        nodes.append(idempotency_key())
        return "done"

    graph = graph_of(ToolNode([clerk]))
    async with running(LangGraphAgent("g", graph=graph, durable=True, **more)) as runtime:
        await runtime.ask("g", payload(call("clerk", "a", first=1), call("clerk", "b", first=3)))
    keys = [*nodes, *(key for _, key in bank.keys)]
    assert len(set(keys)) == len(keys) == 8


@pytest.mark.promise(id="SEM-1699")
@pytest.mark.parametrize("more", [{}, {"on_ambiguous": "interrupt"}], ids=["plain", "asks"])
async def test_a_call_that_is_made_again_with_the_answer_to_a_question_has_the_same_key(
    more: Any,
) -> None:
    bank = Bank()

    @tool
    def ask(about: str) -> Any:
        """Ask a human."""
        return interrupt(about)

    graph = graph_of(ToolNode([bank.tool(), ask]))
    async with running(LangGraphAgent("g", graph=graph, durable=True, **more)) as runtime:
        calls = call("charge", "c1", amount=3), call("ask", "c2", about="it")
        await runtime.ask("g", payload(*calls), conversation="c")
        await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
    assert len(bank.keys) == 2
    assert len(bank.keys_of(3)) == 1
