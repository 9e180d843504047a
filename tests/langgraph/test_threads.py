"""What is kept of a thread: what is new in it is written, and what is read is what LangGraph's own saver would have."""

from __future__ import annotations

import asyncio
import operator
import random
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from civitas import HandlerFailed, Runtime, Supervisor
from civitas.state import InMemoryStateStore
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from civitas_langgraph._packed import _DICTIONARY
from tests.core.state.few_methods import FewMethods, Killed, WithBatches, WithRevisions
from tests.deep import DEEP
from tests.langgraph.test_delta import join
from tests.langgraph.threads import HALF, THREAD, chat, sizes, talk, text

# What is written.


@pytest.mark.promise(id="SEM-1581")
@pytest.mark.parametrize("make", [FewMethods, WithRevisions, WithBatches])
async def test_a_turn_writes_what_is_new_in_it_however_long_the_conversation_is(make):
    store = make(InMemoryStateStore())
    written = []
    agent = LangGraphAgent("g", graph=chat())
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for number in range(200):
            before = store.bytes
            await runtime.ask("g", {"input": text(number)}, conversation="c")
            written.append(store.bytes - before)
    new = 2 * HALF
    assert sum(written) <= 3 * new * len(written)
    assert sum(written[100:]) <= 1.1 * sum(written[:100])
    assert await sizes(store.kept) <= 1.2 * new * len(written)


@pytest.mark.promise(id="SEM-1581")
async def test_a_durable_run_writes_what_is_new_in_each_of_its_steps():
    def work(state: Any) -> Any:
        return {"messages": [AIMessage(text(len(state["messages"]), 4000))]}

    builder = StateGraph(MessagesState)
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    builder.add_conditional_edges(
        "work", lambda state: "work" if len(state["messages"]) < 100 else END, ["work", END]
    )
    store = WithBatches(InMemoryStateStore())
    await talk(store, builder.compile(), ["go"], durable=True, config={"recursion_limit": 200})
    assert store.bytes <= 3 * 4000 * 100
    assert await sizes(store.kept) <= 1.1 * 4000 * 100


@pytest.mark.promise(id="SEM-1581")
async def test_a_list_that_loses_its_oldest_items_is_not_written_again():
    def window(state: Any) -> Any:
        old = [RemoveMessage(str(each.id)) for each in state["messages"][:-20]]
        return {"messages": [*old, AIMessage(text(random.randrange(10**9)))]}

    store = WithBatches(InMemoryStateStore())
    await talk(store, chat(window), [text(number) for number in range(100)])
    assert store.bytes <= 4 * 2 * HALF * 100
    assert await sizes(store.kept) <= 1.5 * HALF * 21


@pytest.mark.promise(id="SEM-1581")
async def test_of_a_dict_that_grows_the_new_entries_are_written():
    class Files(MessagesState):
        files: Annotated[dict[str, str], operator.or_]

    def write(state: Any) -> Any:
        number = len(state["messages"])
        return {"messages": [AIMessage("done")], "files": {f"f{number}": text(number)}}

    store = WithBatches(InMemoryStateStore())
    answer = await talk(store, chat(write, Files), ["go"] * 100)
    assert len(answer["files"]) == 100
    assert store.bytes <= 4 * HALF * 100


@pytest.mark.promise(id="SEM-1581")
async def test_what_a_subgraph_has_in_common_with_its_parent_is_kept_once():
    builder = StateGraph(MessagesState)
    builder.add_node("inner", chat())
    builder.add_node("again", chat())
    builder.add_edge(START, "inner")
    builder.add_edge("inner", "again")
    store = WithBatches(InMemoryStateStore())
    await talk(store, builder.compile(), [text(1, 200_000)], durable=True)
    assert store.bytes <= 2 * 200_000


@pytest.mark.promise(id="SEM-1581")
async def test_pending_writes_that_a_checkpoint_follows_at_once_are_not_stored():
    store = WithBatches(InMemoryStateStore())
    graph = chat(checkpointer=StateStoreSaver(store, "t:", history=1))
    store.writes_left = 3  # the input, the state before the node, and that behind it
    await graph.ainvoke({"messages": [HumanMessage("go")]}, THREAD, durability="sync")
    assert store.writes_left == 0


# What is read.


@pytest.mark.promise(id="SEM-1582")
async def test_what_a_node_changed_in_place_is_kept_as_it_is_then():
    def change(state: Any) -> Any:
        state["messages"][0].content = f"changed {len(state['messages'])}"
        return {"messages": [AIMessage("x" * 600)]}

    store = InMemoryStateStore()
    for _ in range(3):  # over restarts, and in one incarnation
        answer = await talk(store, chat(change), ["y" * 600, "z"])
    before = answer["messages"][0]["content"]
    after = await talk(store, chat(), ["go"])
    assert after["messages"][0]["content"] == before == "changed 11"


@pytest.mark.promise(id="SEM-1582")
async def test_what_a_node_changed_in_place_before_it_failed_is_gone():
    def fail(state: Any) -> Any:
        if state["messages"][-1].content == "fail":
            state["messages"][0].content = "changed"
            raise KeyError
        return {"messages": [AIMessage("x" * 600)]}

    agent = LangGraphAgent("g", graph=chat(fail))
    async with Runtime(Supervisor("root", [agent])) as runtime:
        await runtime.ask("g", {"input": "first"}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("g", {"input": "fail"}, conversation="c")
        reply = await runtime.ask("g", {"input": "go"}, conversation="c")
    assert [each["content"][:5] for each in reply.payload["messages"]] == [
        "first",
        "xxxxx",
        "go",
        "xxxxx",
    ]


@pytest.mark.promise(id="SEM-1582")
async def test_what_was_read_from_a_saver_and_changed_in_place_is_read_again_as_it_was():
    graph = chat(checkpointer=StateStoreSaver(InMemoryStateStore(), "t:"))
    await graph.ainvoke({"messages": [HumanMessage(text(1))]}, THREAD)
    state = await graph.aget_state(THREAD)
    state.values["messages"][0].content = "changed"
    state.values["messages"].clear()
    again = await graph.aget_state(THREAD)
    assert [each.content for each in again.values["messages"]] == [text(1), text(1)]


ITEMS = st.one_of(
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["", "a", "b" * 100, "c" * 700]),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 2), max_size=2),
)
VALUES = st.one_of(
    st.lists(ITEMS, max_size=8),
    st.dictionaries(st.sampled_from("abc"), ITEMS, max_size=3),
    st.sampled_from([None, "d" * 900, 1, ("t", 1), {1, 2}]),
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "append", "drop first", "remove", "insert", "change", "reopen"]),
        st.sampled_from(["one", "two"]),
        VALUES,
        st.integers(0, 7),
    ),
    max_size=25,
)


def edited(how: str, value: Any, new: Any, at: int) -> Any:
    if how == "set" or type(value) is not list:
        return new
    value = list(value)
    if how == "append":
        value += new if type(new) is list else [new] * 30
    elif how == "drop first":
        del value[: at + 1]
    elif how == "remove" and value:
        del value[at % len(value)]
    elif how == "insert":
        value.insert(at, new)
    elif how == "change" and value and type(value[at % len(value)]) is dict:
        value[at % len(value)]["changed"] = at  # in place
    return value


@pytest.mark.promise(id="SEM-1582")
@pytest.mark.parametrize("history", [1, 3, "all"])
@settings(deadline=None, max_examples=1000 if DEEP else 40)
@given(edits=EDITS)
async def test_every_checkpoint_has_the_values_that_were_put(history, edits):
    store = InMemoryStateStore()
    ours: Any = StateStoreSaver(store, "t:", history=history)
    langgraphs: Any = InMemorySaver()
    channels: dict[str, Any] = {}
    versions: dict[str, int] = {}
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    for step, (how, name, new, at) in enumerate(edits):
        if how == "reopen":
            ours = StateStoreSaver(store, "t:", history=history)
        read = await ours.aget_tuple(config)
        assert (read is None) == (step == 0)
        if read is not None:
            channels = read.checkpoint["channel_values"]
        channels = {**channels, name: edited(how, channels.get(name), new, at)}
        versions = {**versions, name: step + 1}
        checkpoint: Any = {
            **empty_checkpoint(),
            "id": f"{step:04d}",
            "channel_values": channels,
            "channel_versions": versions,
        }
        for saver in (ours, langgraphs):
            await saver.aput(config, checkpoint, {"step": step}, {name: step + 1})
    for saver in (ours, StateStoreSaver(store, "t:")):
        found = [each async for each in saver.alist(config)]
        theirs = [each async for each in langgraphs.alist(config)]
        kept = theirs if history == "all" else theirs[:history]
        assert [values(each) for each in found] == [values(each) for each in kept]


def values(found: Any) -> str:
    return repr(sorted(found.checkpoint["channel_values"].items()))


@pytest.mark.promise(id="SEM-1583")
async def test_what_was_written_for_a_checkpoint_on_its_way_is_there_when_that_comes():
    store = InMemoryStateStore()
    checkpoint = empty_checkpoint()
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    at: Any = {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}
    await StateStoreSaver(store, "t:").aput_writes(at, [("a", 1)], "task")
    # In another process, as the first was killed.
    saver = StateStoreSaver(store, "t:")
    await saver.aput(config, checkpoint, {}, {})
    await saver.aput_writes(at, [("a", 2), ("b", 3)], "task")
    found = await StateStoreSaver(store, "t:").aget_tuple(config)
    assert found is not None
    assert found.pending_writes == [("task", "a", 1), ("task", "b", 3)]


@pytest.mark.promise(id="SEM-1583")
@pytest.mark.parametrize("make", [FewMethods, WithRevisions, WithBatches])
async def test_a_kill_between_any_two_writes_leaves_a_step_done_or_not_done(make):
    kept = InMemoryStateStore()
    store = make(kept)
    graph = chat(checkpointer=StateStoreSaver(store, "t:"))
    for number in range(3):
        await graph.ainvoke({"messages": [HumanMessage(text(number))]}, THREAD, durability="sync")
    before = dict(kept._values)
    for kill in range(100):
        kept._values = dict(before)
        store = make(kept)
        store.writes_left = kill
        dying = chat(checkpointer=StateStoreSaver(store, "t:"))
        try:
            await dying.ainvoke({"messages": [HumanMessage("last")]}, THREAD, durability="sync")
        except Killed:
            pass
        else:
            break
        after = chat(checkpointer=StateStoreSaver(make(kept), "t:"))
        state = await after.aget_state(THREAD)
        assert len(state.values["messages"]) in (6, 7, 8)
        assert all(each.content for each in state.values["messages"])
        await after.ainvoke({"messages": [HumanMessage("again")]}, THREAD)
        state = await after.aget_state(THREAD)
        assert state.values["messages"][-2].content == "again"
    assert kill > 2


def test_the_words_that_stored_messages_refer_to_never_change():
    """A thread that was kept with others could not be read."""
    import hashlib

    assert hashlib.sha256(_DICTIONARY).hexdigest()[:16] == "95c4257c940b8373"


@pytest.mark.promise(id="SEM-1583")
async def test_a_saver_of_many_threads_at_once_keeps_each_step_of_each():
    meets, everybody = [0], asyncio.Event()

    async def meet(state: Any) -> Any:
        meets[0] += 1
        if meets[0] == 40:
            everybody.set()
        await everybody.wait()
        return {"messages": [AIMessage(text(len(state["messages"])))]}

    saver = StateStoreSaver(SlowStore(), "t:")
    graph = chat(meet, checkpointer=saver)
    for turn in (1, 2):
        meets[0] = 0
        everybody.clear()
        await asyncio.gather(
            *(
                graph.ainvoke(
                    {"messages": [HumanMessage("go")]}, {"configurable": {"thread_id": f"{each}"}}
                )
                for each in range(40)
            )
        )
        for each in range(40):
            state = await graph.aget_state({"configurable": {"thread_id": f"{each}"}})
            assert len(state.values["messages"]) == 2 * turn


class SlowStore(InMemoryStateStore):
    """One whose calls overlap, as those of a store on a disk."""

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        await asyncio.sleep(0)
        return await super().get_with_revision(key)

    async def write(self, changes: Any, *, expect: Any = {}) -> dict[str, int]:  # noqa: B006
        await asyncio.sleep(0)
        written = await super().write(changes, expect=expect)
        await asyncio.sleep(0)
        return written


@pytest.mark.promise(id="SEM-1002")
async def test_a_copy_of_a_thread_outlives_it_and_all_of_a_deleted_one_is_gone():
    store = InMemoryStateStore()
    saver = StateStoreSaver(store, "t:")
    graph = chat(checkpointer=saver)
    copy: Any = {"configurable": {"thread_id": "copy"}}
    for number in range(5):
        await graph.ainvoke({"messages": [HumanMessage(text(number))]}, THREAD)
    before = [each async for each in graph.aget_state_history(THREAD)]
    await saver.acopy_thread("t", "copy")
    await graph.ainvoke({"messages": [HumanMessage("more")]}, THREAD)
    await saver.adelete_thread("t")
    assert await saver.aget_tuple(THREAD) is None
    for each in (saver, StateStoreSaver(store, "t:")):
        history = chat(checkpointer=each).aget_state_history(copy)
        assert [state.values async for state in history] == [state.values for state in before]
    await saver.aprune(["copy"])
    assert len([each async for each in saver.alist(None)]) == 1
    await saver.adelete_thread("copy")
    assert await store.keys("") == []


@pytest.mark.promise(id="SEM-1583")
async def test_a_checkpoint_that_is_put_again_keeps_what_tasks_wrote_for_it():
    saver = StateStoreSaver(InMemoryStateStore(), "t:")
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    checkpoint = empty_checkpoint()
    at = await saver.aput(config, checkpoint, {}, {})
    await saver.aput_writes(at, [("a", 1)], "task")
    await saver.aput(config, checkpoint, {"step": 1}, {})
    found = await saver.aget_tuple(config)
    assert found is not None
    assert (found.metadata["step"], found.pending_writes) == (1, [("task", "a", 1)])


@pytest.mark.promise(id="SEM-1581")
async def test_what_no_checkpoint_has_any_more_is_gone_also_beside_those_that_are_rebuilt_from():
    class Files(TypedDict, total=False):
        said: Annotated[list[Any], DeltaChannel(join)]
        files: Annotated[dict[str, str], operator.or_]

    def write(state: Any) -> Any:
        number = len(state["said"])
        return {"said": [1], "files": {f"f{number % 3}": text(number), "first": "x" * HALF}}

    builder = StateGraph(Files)
    builder.add_node("write", write)
    builder.add_edge(START, "write")
    store = InMemoryStateStore()
    agent = LangGraphAgent("g", graph=builder.compile())
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        for _ in range(40):
            await runtime.ask("g", {"said": [0]}, conversation="c")
    assert await sizes(store) <= 20 * HALF
