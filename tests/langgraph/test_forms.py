"""Threads in the form of an earlier version, and in that of a newer one."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, MessagesState, StateGraph

from civitas import HandlerFailed, Runtime, StateStoreError, Supervisor
from civitas.state import InMemoryStateStore, LongRecord
from civitas_langgraph import LangGraphAgent
from civitas_langgraph._thread import Thread
from tests.core.state.few_methods import WithBatches
from tests.langgraph.threads import THREAD, chat, talk, text


class Numbered(InMemorySaver):
    """With versions as ours has them."""

    get_next_version: Any = BaseCheckpointSaver.get_next_version


async def in_the_first_form(store: Any, key: str) -> Any:
    """A conversation as earlier versions kept it: the whole thread under its key."""
    serde = JsonPlusSerializer()
    saver = Numbered()
    await chat(checkpointer=saver).ainvoke({"messages": [HumanMessage(text(1), id="1")]}, THREAD)
    thread: dict[str, Any] = {}
    for each in saver.list(THREAD):
        thread[each.checkpoint["id"]] = {
            "checkpoint": serde.dumps_typed(each.checkpoint),
            "metadata": serde.dumps_typed(each.metadata),
            "run_id": None,
            "parent": each.parent_config and each.parent_config["configurable"]["checkpoint_id"],
            "writes": [
                [task, number, channel, *serde.dumps_typed(value), ""]
                for number, (task, channel, value) in enumerate(each.pending_writes or ())
            ],
        }
    await store.set(key, {"": {max(thread): thread[max(thread)]}})


@pytest.mark.promise(id="SEM-1584")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
async def test_a_conversation_that_an_earlier_version_kept_goes_on(durable):
    store = InMemoryStateStore()
    await in_the_first_form(store, "civitas:conversation:g/c")
    for length in (4, 6):
        answer = await talk(store, chat(), ["go"], durable=durable)
        assert len(answer["messages"]) == length
        assert answer["messages"][0]["content"] == text(1)


@pytest.mark.promise(id="SEM-1584")
async def test_a_thread_in_a_newer_form_is_refused_and_left_alone():
    store = InMemoryStateStore()
    await talk(store, chat(), ["go"])
    kept = await LongRecord.load(store, "civitas:conversation:g/c")
    await kept.save({**kept.facts, "format": 99}, kept.lists, kept.values)
    before = dict(store._values)
    with pytest.raises(HandlerFailed, match="was kept by a newer civitas-langgraph") as failed:
        await talk(store, chat(), ["go"])
    assert failed.value.error_type == StateStoreError.__name__
    assert store._values == before


@pytest.mark.promise(id="SEM-1584")
@pytest.mark.parametrize("conversation", ["c", None])
async def test_a_durable_run_that_an_earlier_version_began_goes_on(conversation):
    store, ran = WithBatches(InMemoryStateStore()), []

    def first(state: Any) -> Any:
        ran.append("first")
        return {"messages": [AIMessage(text(1))]}

    def second(state: Any) -> Any:
        ran.append("second")
        if len(ran) == 2:
            raise MemoryError  # the agent crashes
        return {"messages": [AIMessage("done")]}

    builder = StateGraph(MessagesState)
    builder.add_node("first", first)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    agent = Older("g", graph=builder.compile(), durable=True)

    async with Runtime(Supervisor("root", [agent], backoff="NONE"), state_store=store) as runtime:
        reply = await runtime.ask("g", {"input": "go"}, conversation=conversation)
    assert ran == ["first", "second", "second"]
    assert [each["content"] for each in reply.payload["messages"]] == ["go", text(1), "done"]


class Older(LangGraphAgent):
    """One that finds, when it is started again, what its run has kept as an earlier version did."""

    async def on_start(self) -> None:
        """Bring what is kept to the first form."""
        await super().on_start()
        store: Any = self.store
        for key in await store.keys("civitas:step:"):
            if key.endswith(":thread"):
                head = await self.store.get(key)
                kept = await LongRecord.load(self.store, key, home=(head or {}).get("home"))
                await self.store.set(key, first_form_of(Thread(JsonPlusSerializer(), kept)))


def first_form_of(thread: Thread) -> dict[str, Any]:
    serde = thread.serde
    spaces: dict[str, Any] = {}
    for ns, id, each in thread.all():
        body = {**each.body.read(serde.loads_typed), "channel_values": thread.values(each)}
        spaces.setdefault(ns, {})[id] = {
            "checkpoint": serde.dumps_typed(body),
            "metadata": serde.dumps_typed(each.metadata.read(serde.loads_typed)),
            "run_id": each.run_id,
            "parent": each.parent,
            "writes": [],
        }
    return spaces
