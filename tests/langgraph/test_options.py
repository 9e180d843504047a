"""The run options of a graph: `config` and `context`."""

from __future__ import annotations

import dataclasses
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime as GraphRuntime
from langgraph.types import interrupt
from pydantic import BaseModel

from civitas import Message, wrap
from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running


class Box(TypedDict, total=False):
    n: int
    seen: Any


class Basket:
    """No plain data."""


@dataclasses.dataclass
class Shop:
    user: str = "nobody"
    bought: list[int] = dataclasses.field(default_factory=list)
    basket: Basket = dataclasses.field(default_factory=Basket)


class Account(BaseModel):
    user: str


def shop(message: Message) -> Shop:
    return Shop(message.headers["user"])


def new_shop() -> Shop:
    return Shop()


def config(message: Message) -> Any:
    return {"configurable": {"model": message.headers.get("model", "small")}, "tags": ["mine"]}


def buying(schema: Any = Shop, *, fails: list[Exception] | None = None, asks: bool = False) -> Any:
    async def buy(state: Box, runtime: GraphRuntime[Any]) -> Any:
        context = runtime.context
        assert isinstance(context.basket, Basket)
        context.bought.append(state["n"])
        if asks and len(context.bought) == 1:
            interrupt("sure?")
        if fails:
            raise fails.pop()
        return {"seen": [context.user, *context.bought]}

    builder: Any = StateGraph(Box, context_schema=schema)
    builder.add_node("buy", buy)
    builder.add_edge(START, "buy")
    return builder.compile()


async def buy(runtime: Any, n: int, conversation: str = "c", user: str = "ada") -> Any:
    reply = await runtime.ask("g", {"n": n}, conversation=conversation, headers={"user": user})
    return reply.payload["seen"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"recursion_limt": 3}, "did you mean 'recursion_limit'"),
        ({"thread_id": "x"}, "Your own keys go under 'configurable'"),
        ({"configurable": 3}, "must be a dict; got int"),
        (
            {"recursion_limit": "25"},
            r"config\['recursion_limit'\] must be a whole number > 0; got '25'",
        ),
        ({"max_concurrency": 0}, r"config\['max_concurrency'\] must be a whole number > 0; got 0"),
        (3, "config must be a dict"),
        ("nowhere:at_all", "cannot be resolved"),
        (lambda message, other: {}, "needs message, other"),
    ],
    ids=str,
)
@pytest.mark.promise(id="SEM-1028")
def test_a_configuration_that_langgraph_would_pass_over_is_refused(given, problem):
    with pytest.raises(ConfigurationError, match=problem):
        LangGraphAgent("g", graph=buying(), config=given)


async def test_a_function_gives_each_message_its_configuration():
    def read(state: Box) -> Any:
        about = get_config()
        return {"seen": [about["configurable"]["model"], "mine" in about["tags"]]}

    builder = StateGraph(Box)
    builder.add_node("read", read)
    builder.add_edge(START, "read")
    given = f"{__name__}:config"  # as in a topology
    async with running(LangGraphAgent("g", graph=builder.compile(), config=given)) as runtime:
        first = await runtime.ask("g", {"n": 1}, headers={"model": "large"})
        second = await runtime.ask("g", {"n": 1})
    assert (first.payload["seen"], second.payload["seen"]) == (["large", True], ["small", True])


async def test_a_configuration_that_a_function_gets_wrong_is_told_to_the_asker():
    wrong: Any = lambda message: {"tag": []}  # noqa: E731
    agent = LangGraphAgent("g", graph=buying(), config=wrong)
    async with running(agent) as runtime:
        with pytest.raises(Exception, match="config takes no 'tag'; did you mean 'tags'"):
            await buy(runtime, 1)


@pytest.mark.promise(id="SEM-1029")
@pytest.mark.parametrize("given", [Shop, new_shop, f"{__name__}:Shop"], ids=str)
async def test_each_conversation_has_a_context_of_its_own(given):
    async with running(LangGraphAgent("g", graph=buying(), context=given)) as runtime:
        assert await buy(runtime, 1, "a") == ["nobody", 1]
        assert await buy(runtime, 2, "b") == ["nobody", 2]
        assert await buy(runtime, 3, "a") == ["nobody", 1, 3]
        reply = await runtime.ask("g", {"n": 4})  # no conversation, no memory
    assert reply.payload["seen"] == ["nobody", 4]


async def test_the_context_of_a_conversation_is_there_after_a_restart_and_in_its_pool(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    for n in (1, 2):
        pool = wrap(buying(), name="g", context=Shop, per_conversation=True)
        async with Runtime(Supervisor("root", [pool]), state_store=store) as runtime:
            seen = await buy(runtime, n)
    await store.close()
    assert seen == ["nobody", 1, 2]


async def test_a_function_of_the_message_makes_a_context_for_each_message():
    async with running(LangGraphAgent("g", graph=buying(), context=shop)) as runtime:
        assert await buy(runtime, 1, user="ada") == ["ada", 1]
        assert await buy(runtime, 2, user="bob") == ["bob", 2]


@pytest.mark.parametrize("given", [Shop, shop], ids=["of the conversation", "of the message"])
async def test_a_run_that_is_tried_again_has_the_context_it_began_with(given):
    made = []

    def make() -> Shop:
        made.append(Shop(f"user {len(made)}"))
        return made[-1]

    def make_for(message: Message) -> Shop:
        return make()

    graph = buying(fails=[ConnectionError("down")])
    context = make if given is Shop else make_for
    async with running(LangGraphAgent("g", graph=graph, durable=True, context=context)) as runtime:
        reply = await runtime.ask("g", {"n": 1})
        assert await buy(runtime, 2) == [f"user {len(made) - 1}", 2]
    assert reply.payload["seen"] == ["user 0", 1]


@pytest.mark.promise(id="SEM-1211")
@pytest.mark.parametrize("own_saver", [False, True], ids=["state store", "own checkpointer"])
@pytest.mark.parametrize("conversation", [None, "c"])
@pytest.mark.parametrize("given", [Shop, shop], ids=["of the conversation", "of the message"])
async def test_a_durable_run_that_goes_on_has_the_context_as_its_finished_nodes_left_it(
    given, conversation, own_saver
):
    errors = [ConnectionError("down")]

    async def choose(state: Box, runtime: GraphRuntime[Any]) -> Any:
        runtime.context.bought.append(state["n"])

    async def pay(state: Box, runtime: GraphRuntime[Any]) -> Any:
        runtime.context.bought.append(-state["n"])
        if errors:
            raise errors.pop()
        return {"seen": runtime.context.bought}

    builder: Any = StateGraph(Box, context_schema=Shop)
    builder.add_node("choose", choose).add_node("pay", pay)
    builder.add_edge(START, "choose").add_edge("choose", "pay")
    graph = builder.compile(checkpointer=InMemorySaver() if own_saver else None)
    async with running(LangGraphAgent("g", graph=graph, durable=True, context=given)) as runtime:
        reply = await runtime.ask("g", {"n": 1}, conversation=conversation, headers={"user": "ada"})
    assert reply.payload["seen"] == [1, -1]


@pytest.mark.promise(id="SEM-1212")
@pytest.mark.parametrize("given", [new_shop, shop], ids=["of the conversation", "of the message"])
async def test_a_durable_run_that_is_given_up_leaves_the_context_as_it_was(given):
    async def first(state: Box, runtime: GraphRuntime[Any]) -> Any:
        runtime.context.bought.append(state["n"])

    async def then(state: Box, runtime: GraphRuntime[Any]) -> Any:
        if state["n"] == 2:
            raise KeyError("n")
        interrupt("sure?")
        return {"seen": [runtime.context.user, *runtime.context.bought]}

    builder: Any = StateGraph(Box, context_schema=Shop)
    builder.add_node("first", first).add_node("then", then)
    builder.add_edge(START, "first").add_edge("first", "then")
    agent = LangGraphAgent("g", graph=builder.compile(), durable=True, context=given)
    async with running(agent) as runtime:
        await runtime.ask("g", {"n": 1}, conversation="c", headers={"user": "ada"})
        with pytest.raises(HandlerFailed):
            await buy(runtime, 2, user="eve")
        answer, headers = {"value": True}, {"user": "bob"}
        reply = await runtime.ask("g", answer, "resume", conversation="c", headers=headers)
    assert reply.payload["seen"] == ["nobody" if given is new_shop else "ada", 1]


async def test_a_resumed_run_has_the_context_it_was_interrupted_with():
    graph = buying(asks=True)
    async with running(LangGraphAgent("g", graph=graph, context=shop)) as runtime:
        asked = await runtime.ask("g", {"n": 1}, headers={"user": "ada"})
        assert asked.type == "interrupt"
        reply = await runtime.ask(
            "g", {"value": 1}, "resume", conversation=asked.conversation, headers={"user": "eve"}
        )
    assert reply.payload["seen"] == ["ada", 1, 1]


@pytest.mark.promise(id="SEM-1030")
async def test_a_graph_that_needs_a_context_and_has_none_does_not_start():
    with pytest.raises(StartFailed, match="Account, that needs user, and no context was given"):
        await running(LangGraphAgent("g", graph=buying(Account))).start()


async def test_a_context_whose_fields_all_have_defaults_is_made_of_these():
    async with running(LangGraphAgent("g", graph=buying())) as runtime:
        assert await buy(runtime, 1) == ["nobody", 1]
        assert await buy(runtime, 2) == ["nobody", 2]


async def test_a_context_that_cannot_be_made_is_a_failed_start():
    with pytest.raises(StartFailed, match=r"context is made by a function .* needs a, b"):
        await running(LangGraphAgent("g", graph=buying(), context=lambda a, b: a)).start()
