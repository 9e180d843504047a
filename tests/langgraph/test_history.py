"""Time travel: `history=`, and runs that begin at an earlier checkpoint."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.graph import START, StateGraph

from civitas import HandlerFailed, Runtime, Supervisor
from civitas.errors import ConfigurationError, PayloadError
from civitas.state import InMemoryStateStore
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.langgraph.test_delta import join


def counting(channel: Any = operator.add, **compiled: Any) -> Any:
    State = TypedDict("State", {"said": Annotated[list[Any], channel]})  # noqa: UP013
    builder = StateGraph(State)
    builder.add_node("say", lambda state: {"said": [len(state["said"])]})
    builder.add_edge(START, "say")
    return builder.compile(**compiled)


def at_checkpoint(id: str) -> Any:
    return {"configurable": {"checkpoint_id": id}}


def history_of(store: Any, channel: Any = operator.add) -> Any:
    """The states of the conversation, newest first, as a program beside the system looks at them."""
    saver = StateStoreSaver(store, "civitas:conversation:g/")
    graph = counting(channel, checkpointer=saver)
    return graph.aget_state_history({"configurable": {"thread_id": "c"}})


async def lengths(store: Any, channel: Any = operator.add) -> list[int]:
    return [len(each.values["said"]) async for each in history_of(store, channel)]


CHANNELS = [operator.add, DeltaChannel(join, snapshot_frequency=3)]


@pytest.mark.promise(id="SEM-1586")
@pytest.mark.parametrize("channel", CHANNELS, ids=["value", "delta"])
@pytest.mark.parametrize(("history", "kept"), [(1, [8]), (3, [8, 6, 4]), ("all", [8, 6, 4, 2])])
async def test_as_many_checkpoints_are_kept_as_history_says(history, kept, channel):
    store = InMemoryStateStore()
    agent = LangGraphAgent("g", graph=counting(channel), history=history)
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for _ in range(4):
            await runtime.ask("g", {"said": ["x"]}, conversation="c")
    found = await lengths(store, channel)
    assert found[: len(kept)] == kept
    if channel is operator.add:  # otherwise also those that the others are rebuilt from
        assert found == kept


@pytest.mark.promise(id="SEM-1586")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
@pytest.mark.parametrize("channel", CHANNELS, ids=["value", "delta"])
async def test_a_run_begins_at_the_checkpoint_that_its_config_names(channel, durable):
    store = InMemoryStateStore()
    agent = LangGraphAgent("g", graph=counting(channel), history="all", durable=durable)
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for text in "abc":
            await runtime.ask("g", {"said": [text]}, conversation="c")
        first = [
            each.config["configurable"]["checkpoint_id"]
            async for each in history_of(store, channel)
            if each.values["said"] == ["a", 1] and not each.next
        ]
        forked = await runtime.ask(
            "g", {"said": ["fork"]}, conversation="c", config=at_checkpoint(first[0])
        )
        assert forked.payload["said"] == ["a", 1, "fork", 3]
        # The branch is where the conversation goes on; the other one is still there.
        reply = await runtime.ask("g", {"said": ["on"]}, conversation="c")
        assert reply.payload["said"] == ["a", 1, "fork", 3, "on", 5]
    assert ["a", 1, "b", 3, "c", 5] in [
        each.values["said"] async for each in history_of(store, channel)
    ]


@pytest.mark.promise(id="SEM-1586")
async def test_a_checkpoint_that_is_not_kept_is_named_to_whoever_asked():
    agent = LangGraphAgent("g", graph=counting())
    async with Runtime(Supervisor("root", [agent])) as runtime:
        await runtime.ask("g", {"said": ["a"]}, conversation="c")
        with pytest.raises(HandlerFailed, match="no checkpoint '1f1'"):
            await runtime.ask("g", {"said": ["b"]}, conversation="c", config=at_checkpoint("1f1"))
        reply = await runtime.ask("g", {"said": ["b"]}, conversation="c")
    assert reply.payload["said"] == ["a", 1, "b", 3]


@pytest.mark.parametrize("history", [0, -1, "many", 1.5])
def test_a_history_that_says_nothing_is_refused(history):
    with pytest.raises(ConfigurationError, match="history must be a whole number of checkpoints"):
        LangGraphAgent("g", graph=counting(), history=history)


async def heard(runtime: Any, **options: Any) -> Any:
    return (await runtime.ask("g", {"said": ["x"]}, **options)).payload["said"][1:]


@pytest.mark.promise(id="SEM-1587")
async def test_the_config_of_a_message_is_added_to_that_of_its_agent():
    def say(state: Any, config: RunnableConfig) -> Any:
        told = config["configurable"]
        return {"said": [told.get("a"), told.get("b"), sorted(config.get("tags") or ())]}

    State = TypedDict("State", {"said": Annotated[list[Any], operator.add]})  # noqa: UP013
    builder = StateGraph(State)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    given: Any = {"configurable": {"a": 1, "b": 1}, "tags": ["mine"]}
    agent = LangGraphAgent("g", graph=builder.compile(), config=given)
    async with Runtime(Supervisor("root", [agent])) as runtime:
        assert await heard(runtime, config={"configurable": {"b": 2}}) == [1, 2, ["mine"]]
        assert await heard(runtime, config={"tags": ["theirs"]}) == [1, 1, ["theirs"]]
        assert await heard(runtime) == [1, 1, ["mine"]]
        with pytest.raises(HandlerFailed, match="config takes no 'tag'; did you mean 'tags'"):
            await heard(runtime, config={"tag": ["theirs"]})
        with pytest.raises(PayloadError, match="config: it travels as JSON"):
            await heard(runtime, config={"callbacks": [object()]})
        with pytest.raises(ConfigurationError, match="config must be a dict"):
            await heard(runtime, config="tags")
