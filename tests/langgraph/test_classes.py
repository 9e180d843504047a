"""The graph's own classes in its state, and classes that a checkpoint may not name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, NotRequired, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

from civitas.errors import ConfigurationError
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from civitas_langgraph._classes import classes_of

ME = __name__


class Color(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int


@dataclass
class Part:
    color: Color


@dataclass
class Wheel(Part):
    spokes: int = 8


class Plan(BaseModel):
    parts: Sequence[Part]


class Notes(TypedDict):
    plan: NotRequired[Plan]


@dataclass
class Stranger:
    n: int


class Own(MessagesState, total=False):
    turn: int
    color: Color
    plan: Plan | None
    parts: Sequence[Part]
    notes: Notes
    point: Point
    document: Document
    any: Any


FULL: dict[str, Any] = {
    "messages": [AIMessage("fine")],
    "color": Color.RED,
    "plan": Plan(parts=[Part(Color.RED)]),
    "parts": [Part(Color.RED), Wheel(Color.RED, 3)],
    "notes": {"plan": Plan(parts=[])},
    "point": Point(1),
    "document": Document("text"),
}


async def seen(
    fill: dict[str, Any], checkpointer: Any = None, inner: bool = False, **keywords: Any
) -> dict[str, Any]:
    """The state that the second message of a conversation finds, after a restart of the system."""
    found: dict[str, Any] = {}

    def node(state: Own) -> Any:
        if state["turn"] == 1:
            return fill
        found.update(state)
        return None

    builder = StateGraph(Own)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph: Any = builder.compile(checkpointer=True if inner else checkpointer)
    if inner:
        outer = StateGraph(TypedDict("Turn", {"turn": int}))  # type: ignore[operator]
        outer.add_node("inner", graph)
        outer.add_edge(START, "inner")
        graph = outer.compile()
    store = InMemoryStateStore()
    for turn in (1, 2):
        agent = LangGraphAgent("g", graph=graph, **keywords)
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            await runtime.ask("g", {"turn": turn}, conversation="c")
    return {key: found.get(key) for key in fill}


@pytest.fixture(params=[False, True], ids=["by default", "LANGGRAPH_STRICT_MSGPACK"])
def strict(request, monkeypatch):
    """LangGraph reads the variable when it is imported, into these."""
    for module in ("langgraph._internal._serde", "langgraph.checkpoint.serde._msgpack"):
        monkeypatch.setattr(f"{module}.STRICT_MSGPACK_ENABLED", request.param)


@pytest.mark.promise(id="SEM-1009")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
async def test_objects_of_a_graphs_own_classes_stay_themselves(strict, durable):
    assert await seen(FULL, durable=durable) == FULL


@pytest.mark.promise(id="SEM-1009")
async def test_so_do_those_of_a_subgraph_and_under_a_savers_own_history(strict):
    assert await seen(FULL, inner=True) == FULL
    saver = StateStoreSaver(InMemoryStateStore(), "t:")
    assert await seen(FULL, checkpointer=saver) == FULL


@pytest.mark.promise(id="SEM-1009")
async def test_so_does_what_the_tasks_of_a_workflow_return(strict):
    ran = []

    @task
    def fetch(n: int) -> list[Wheel]:
        ran.append(n)
        return [Wheel(Color.RED, n)]

    @entrypoint()
    async def flow(n: int) -> Any:
        wheels = await fetch(n)
        interrupt("sure?")
        return repr(wheels)

    agent = LangGraphAgent("g", graph=flow)
    async with Runtime(Supervisor("root", [agent])) as runtime:
        await runtime.ask("g", 3, conversation="c")
        reply = await runtime.ask("g", {"value": "y"}, "resume", conversation="c")
    assert reply.payload == repr([Wheel(Color.RED, 3)])
    assert ran == [3]


async def test_so_does_the_response_format_of_langchains_agents():
    agent = create_agent(FakeListChatModel(responses=[]), response_format=ToolStrategy(Plan))
    assert (ME, "Plan") in classes_of(agent)


calls: list[Any] = []


def call(**arguments: Any) -> None:
    calls.append(arguments)


class Trap(BaseModel):
    """Is kept as a call of the function above."""

    n: int = 1


Trap.__name__ = "call"


@pytest.mark.promise(id="SEM-1010")
async def test_a_checkpoint_names_only_allowed_classes():
    assert await seen({"any": Stranger(1)}) == {"any": {"n": 1}}
    assert await seen({"any": Trap()}) == {"any": {"n": 1}}
    assert calls == []
    permissive = InMemorySaver()
    await seen({"any": Trap()}, checkpointer=permissive)
    assert calls == [{"n": 1}]


@pytest.mark.promise(id="SEM-1010")
@pytest.mark.parametrize("allowed", [Stranger, f"{ME}:Stranger"], ids=["a class", "a name"])
async def test_a_user_allows_further_classes(allowed):
    assert await seen({"any": Stranger(1)}, state_classes=[allowed]) == {"any": Stranger(1)}


def test_what_is_no_class_is_refused():
    graph = StateGraph(Own).add_node("n", lambda state: None).add_edge(START, "n").compile()
    for wrong, why in (
        (f"{ME}:Nobody", "cannot be resolved"),
        (f"{ME}:call", "must be classes, or texts"),
        (3, "must be classes, or texts"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            LangGraphAgent("g", graph=graph, state_classes=[wrong])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="must be classes, or texts module:Class; got 5"):
        LangGraphAgent("g", graph=graph, state_classes=5)  # type: ignore[arg-type]
