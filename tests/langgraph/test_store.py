"""LangGraph's Store over the StateStore: what graphs remember across conversations."""

from __future__ import annotations

import random
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.config import get_store
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedStore, ToolNode
from langgraph.runtime import Runtime as GraphRuntime
from langgraph.store.base import BaseStore, InvalidNamespaceError
from langgraph.store.memory import InMemoryStore

from civitas.errors import HandlerFailed, StartFailed
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import GraphStore, LangGraphAgent
from tests.core.frameworks.support import running


class Note(TypedDict, total=False):
    user: str
    text: str
    known: list[str]


async def note(state: Note, runtime: GraphRuntime[None]) -> Note:
    """Awaits the store."""
    assert runtime.store is not None
    namespace = ("notes", state["user"])
    found = await runtime.store.asearch(namespace)
    await runtime.store.aput(namespace, state["text"], {"text": state["text"]})
    return {"known": [each.value["text"] for each in found]}


def note_in_thread(state: Note, *, store: BaseStore) -> Note:
    """Blocks its thread."""
    namespace = ("notes", state["user"])
    found = store.search(namespace)
    store.put(namespace, state["text"], {"text": state["text"]})
    return {"known": [each.value["text"] for each in found]}


def graph(node: Any = note, **compiled: Any) -> Any:
    builder = StateGraph(Note)
    builder.add_node("note", node)
    builder.add_edge(START, "note")
    return builder.compile(**compiled)


def nested() -> Any:
    return graph(graph(note_in_thread))


@entrypoint()
async def workflow(state: Any) -> Any:
    return await remember(state)


@task
async def remember(state: Any) -> Any:
    store = get_store()
    found = await store.asearch(("notes",))
    await store.aput(("notes", state["user"]), state["text"], {"text": state["text"]})
    return {"known": [each.value["text"] for each in found]}


@pytest.mark.promise(id="SEM-1012")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
@pytest.mark.parametrize(
    "build",
    [graph, lambda: graph(note_in_thread), nested, lambda: workflow],
    ids=["awaits", "in a thread", "subgraph", "workflow"],
)
async def test_a_graph_compiled_without_a_store_has_one_over_the_state_store(
    build, durable, tmp_path
):
    known = []
    for text in ("one", "two", "three"):  # over restarts, in whatever conversation
        state = SQLiteStateStore(tmp_path / "state.db")
        agent = LangGraphAgent("g", graph=build(), durable=durable)
        async with Runtime(Supervisor("root", [agent]), state_store=state) as runtime:
            reply = await runtime.ask("g", {"user": "ann", "text": text}, conversation=text)
        await state.close()
        known.append(reply.payload["known"])
    assert known == [[], ["one"], ["one", "two"]]


@pytest.mark.promise(id="SEM-1012")
async def test_all_graphs_of_a_system_have_the_same_store():
    agents = [LangGraphAgent(name, graph=graph()) for name in ("a", "b")]
    async with running(*agents) as runtime:
        await runtime.ask("a", {"user": "ann", "text": "one"})
        reply = await runtime.ask("b", {"user": "ann", "text": "two"})
        other = await runtime.ask("b", {"user": "bob", "text": "three"})
    assert reply.payload["known"] == ["one"]
    assert other.payload["known"] == []


@pytest.mark.promise(id="SEM-1012")
async def test_the_users_own_store_wins():
    own, state = InMemoryStore(), InMemoryStateStore()
    agent = LangGraphAgent("g", graph=graph(store=own))
    async with Runtime(Supervisor("root", [agent]), state_store=state) as runtime:
        await runtime.ask("g", {"user": "ann", "text": "one"})
    assert [each.key for each in own.search(("notes",))] == ["one"]
    assert await state.keys("") == []
    with pytest.raises(StartFailed, match="has its own; give the index to that one"):
        async with running(
            LangGraphAgent("g", graph=graph(store=own), store_index=f"{__name__}:INDEX")
        ):
            pass


@pytest.mark.parametrize("own", [None, InMemoryStore()], ids=["lent", "own"])
async def test_the_store_is_there_while_a_reader_hears_the_run(own):
    async with running(LangGraphAgent("g", graph=graph(store=own))) as runtime:
        await runtime.ask("g", {"user": "ann", "text": "one"})
        chunks = [each async for each in runtime.stream("g", {"user": "ann", "text": "two"})]
    assert chunks[-1].payload["known"] == ["one"]


async def test_a_tool_finds_the_store():
    @tool
    def recall(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
        """Say what is known."""
        store.put(("facts",), text, {"text": text})
        return ", ".join(each.key for each in store.search(("facts",)))

    def call(state: MessagesState) -> Any:
        calls = [{"name": "recall", "args": {"text": "sun"}, "id": "1"}]
        return {"messages": [AIMessage("", tool_calls=calls)]}

    builder = StateGraph(MessagesState)
    builder.add_node("call", call)
    builder.add_node("tools", ToolNode([recall]))
    builder.add_edge(START, "call")
    builder.add_edge("call", "tools")
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        reply = await runtime.ask("g", {"input": "hello"})
    assert reply.payload["messages"][-1]["type"] == ToolMessage(content="", tool_call_id="").type
    assert reply.payload["messages"][-1]["content"] == "sun"


async def test_a_coroutine_that_does_not_await_the_store_is_told_so_at_once():
    async def blocks(state: Note, runtime: GraphRuntime[None]) -> Note:
        assert runtime.store is not None
        runtime.store.put(("notes",), "a", {})
        return {}

    async with running(LangGraphAgent("g", graph=graph(blocks))) as runtime:
        with pytest.raises(HandlerFailed, match=r"write `await store\.aput"):
            await runtime.ask("g", {"user": "ann"})


# The store itself.


def letters(texts: list[str]) -> list[list[float]]:
    return [[float(text.count("a")), float(text.count("b")), 1.0] for text in texts]


@pytest.mark.promise(id="SEM-1013")
@pytest.mark.parametrize("index", [None, {"dims": 3, "embed": letters, "fields": ["text"]}])
async def test_it_finds_and_lists_what_langgraphs_own_store_does(index):
    ours, theirs = GraphStore(InMemoryStateStore(), index=index), InMemoryStore(index=index)
    labels, chance = ["u/1", "u 2", "ü", "a//b", "%2F"], random.Random(7)
    namespaces = [("m", label, *more) for label in labels for more in ((), ("x",), ("x", "y"))]
    for number in range(120):
        namespace, key = chance.choice(namespaces), chance.choice(["k", "/a//b.txt", "k.2", "ü?"])
        if chance.random() < 0.2:
            for store in (ours, theirs):
                await store.adelete(namespace, key)
        else:
            value = {"n": number, "text": chance.choice(["a", "ab", "bb"]), "in": {"n": number % 3}}
            if await theirs.aget(namespace, key) is not None:
                await theirs.adelete(namespace, key)  # or it stays where it was in the order
                await ours.adelete(namespace, key)
            for store in (ours, theirs):
                await store.aput(namespace, key, value)

    there = {each.namespace for each in await theirs.asearch((), limit=200)}

    def held(prefix: tuple[str, ...]) -> list[tuple[str, ...]]:
        return sorted(each for each in there if each[: len(prefix)] == prefix)

    def facts(items: Any) -> Any:
        return [(each.namespace, each.key, each.value, each.score) for each in items]

    for prefix in [(), ("m",), ("m", "u/1"), ("m", "u"), ("m", "a//b", "x")]:
        for filter in (None, {"n": {"$gt": 60}}, {"in": {"n": 1}}, {"text": "ab"}, {"no": 1}):
            for query in (None, "aa"):
                args: Any = {"filter": filter, "query": query, "limit": 200}
                got, want = await ours.asearch(prefix, **args), await theirs.asearch(prefix, **args)
                if query is None or index is None:
                    assert sorted(map(repr, facts(got))) == sorted(map(repr, facts(want)))
                else:
                    assert [each.score for each in got] == [each.score for each in want]
        assert await ours.alist_namespaces(prefix=prefix) == held(prefix)
        deep = sorted({each[:2] for each in held(prefix)})
        assert await ours.alist_namespaces(prefix=prefix, max_depth=2) == deep
        assert await ours.alist_namespaces(prefix=prefix, limit=2, offset=1) == held(prefix)[1:3]
        ends = [each for each in held(prefix) if each[-1] == "x"]
        assert await ours.alist_namespaces(prefix=prefix, suffix=("x",)) == ends
    for namespace in namespaces:
        for key in ("k", "/a//b.txt"):
            item, same = await ours.aget(namespace, key), await theirs.aget(namespace, key)
            assert (item and item.value) == (same and same.value)


@pytest.mark.promise(id="SEM-1013")
async def test_an_item_keeps_when_it_was_made_and_pages_are_in_that_order():
    store = GraphStore(InMemoryStateStore())
    for key in "cab":
        await store.aput(("n",), key, {"n": 1})
    first = await store.aget(("n",), "c")
    await store.aput(("n",), "c", {"n": 2})
    again = await store.aget(("n",), "c")
    assert first is not None
    assert again is not None
    assert (again.created_at, again.value) == (first.created_at, {"n": 2})
    assert again.updated_at > first.updated_at
    assert [each.key for each in await store.asearch(("n",), limit=2)] == ["c", "a"]
    assert [each.key for each in await store.asearch(("n",), limit=2, offset=2)] == ["b"]
    with pytest.raises(InvalidNamespaceError):
        await store.aput(("a.b",), "k", {})


@pytest.mark.promise(id="SEM-1013")
async def test_an_index_finds_by_meaning(tmp_path):
    async def find(state: Note, runtime: GraphRuntime[None]) -> Note:
        assert runtime.store is not None
        for text in ("aaa", "bbb", "ab"):
            await runtime.store.aput(("n",), text, {"text": text})
        found = await runtime.store.asearch(("n",), query="bb", limit=2)
        return {"known": [each.key for each in found]}

    agent = LangGraphAgent("g", graph=graph(find), store_index=f"{__name__}:INDEX")
    async with running(agent) as runtime:
        reply = await runtime.ask("g", {"user": "ann"})
    assert reply.payload["known"] == ["bbb", "ab"]


INDEX = {"dims": 3, "embed": letters}
