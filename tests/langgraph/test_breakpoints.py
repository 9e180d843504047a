"""Graphs that stop with nodes left to do: at breakpoints, at `NodeInterrupt`, or because a node drained them."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime as GraphRuntime
from langgraph.types import interrupt

from civitas.errors import HandlerFailed, StartFailed, UnknownInterrupt
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import restarts, running


class Plan(TypedDict, total=False):
    done: Annotated[list[str], lambda a, b: [*(a or []), *b]]
    note: str


class Line:
    """Nodes one after the other that write down when they run."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.ran: list[str] = []

    def graph(self, **compiled: Any) -> Any:
        builder: Any = StateGraph(Plan)
        before = START
        for name in self.names:
            builder.add_node(name, self.node(name))
            builder.add_edge(before, name)
            before = name
        return builder.compile(**compiled)

    def nested(self, outer: dict[str, Any] | None = None, **compiled: Any) -> Any:
        builder: Any = StateGraph(Plan)
        builder.add_node("inner", self.graph(**compiled))
        builder.add_node("last", self.node("last"))
        builder.add_edge(START, "inner")
        builder.add_edge("inner", "last")
        return builder.compile(**(outer or {}))

    def node(self, name: str) -> Any:
        async def run(plan: Plan) -> Plan:
            self.ran.append(name)
            return {"done": [f"{name} {plan.get('note', '')}".strip()]}

        return run


async def ask(runtime: Any, payload: Any, *more: Any) -> tuple[str, Any]:
    reply = await runtime.ask("g", payload, *more, conversation="c")
    if reply.type == "interrupt":
        return "interrupt", [each["value"] for each in reply.payload["interrupts"]]
    return reply.type, reply.payload


@pytest.mark.promise(id="SEM-1021")
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize(
    "stop",
    [{"interrupt_before": ["act"]}, {"interrupt_after": ["plan"]}, {"interrupt_before": "*"}],
    ids=str,
)
async def test_a_graph_that_stops_at_a_breakpoint_goes_on_with_a_resume(stop, durable):
    line = Line("plan", "act")
    agent = LangGraphAgent("g", graph=line.graph(**stop), durable=durable)
    async with running(agent) as runtime:
        answer = await ask(runtime, {"done": []})
        if stop == {"interrupt_before": "*"}:
            assert answer == ("interrupt", [["plan"]])
            answer = await ask(runtime, {"value": True}, "resume")
        assert answer == ("interrupt", [["act"]])
        assert line.ran == ["plan"]
        assert await ask(runtime, {"value": True}, "resume") == ("reply", {"done": ["plan", "act"]})
    assert line.ran == ["plan", "act"]


async def test_a_breakpoint_is_one_question_with_an_id_that_is_answered_once():
    line = Line("a", "b", "c")
    async with running(
        LangGraphAgent("g", graph=line.graph(interrupt_before=["b", "c"]))
    ) as runtime:
        first = await runtime.ask("g", {"done": []})
        assert first.conversation is not None
        [question] = first.payload["interrupts"]
        assert question.keys() == {"id", "value"}
        answer = {"id": question["id"], "value": None}
        second = await runtime.ask("g", answer, "resume", conversation=first.conversation)
        assert second.payload["interrupts"][0]["value"] == ["c"]
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("g", answer, "resume", conversation=first.conversation)
        assert line.ran == ["a", "b"]


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
async def test_a_breakpoint_in_a_subgraph_tells_the_nodes_of_the_subgraph(durable):
    line = Line("plan", "act", "check")
    graph = line.nested(interrupt_before=["act", "check"])
    async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
        assert await ask(runtime, {"done": []}) == ("interrupt", [["act"]])
        assert await ask(runtime, {"value": True}, "resume") == ("interrupt", [["check"]])
        kind, state = await ask(runtime, {"value": True}, "resume")
    assert (kind, state["done"]) == ("reply", ["plan", "act", "check", "last"])
    assert line.ran == ["plan", "act", "check", "last"]


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
async def test_a_breakpoint_waits_in_a_checkpointer_of_the_users_over_a_restart(tmp_path, durable):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db")) as saver:
        store = SQLiteStateStore(tmp_path / "state.db")
        for payload, more in (({"done": []}, ()), ({"value": True}, ("resume",))):
            line = Line("plan", "act")
            graph = line.graph(interrupt_before=["act"], checkpointer=saver)
            agent = LangGraphAgent("g", graph=graph, durable=durable)
            async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
                answer = await ask(runtime, payload, *more)
        await store.close()
    assert answer == ("reply", {"done": ["plan", "act"]})
    assert line.ran == ["act"]


async def test_a_breakpoint_waits_in_the_conversation_over_a_restart(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    for payload, more in (({"done": []}, ()), ({"value": True}, ("resume",))):
        line = Line("plan", "act")
        agent = LangGraphAgent("g", graph=line.nested(interrupt_after=["plan"]))
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            _, state = await ask(runtime, payload, *more)
    await store.close()
    assert (state, line.ran) == ({"done": ["plan", "act", "last"]}, ["act", "last"])


async def test_an_answer_may_change_the_state_before_the_graph_goes_on():
    line = Line("plan", "act")
    async with running(LangGraphAgent("g", graph=line.graph(interrupt_before=["act"]))) as runtime:
        await ask(runtime, {"done": []})
        answer = {"value": {"update": {"note": "carefully"}}}
        _, state = await ask(runtime, answer, "resume")
    assert state == {"done": ["plan", "act carefully"], "note": "carefully"}


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("deep", [False, True], ids=["at the top", "nested"])
async def test_an_answer_may_stand_in_for_the_node_that_it_is_asked_about(durable, deep):
    line = Line("plan", "act", "check")
    stop: dict[str, Any] = {"interrupt_before": ["act"]}
    graph = line.nested(**stop) if deep else line.graph(**stop)
    async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
        await ask(runtime, {"done": []})
        answer = {"value": {"update": {"done": ["done by hand"]}, "as_node": "act"}}
        if deep:  # the nodes of a subgraph are its own
            with pytest.raises(HandlerFailed, match="there is no node 'act'"):
                await ask(runtime, answer, "resume")
            answer = {"value": {"update": {"note": "slowly"}}}
        _, state = await ask(runtime, answer, "resume")
    if deep:
        assert state["done"] == ["plan", "act slowly", "check slowly", "last slowly"]
    else:
        assert state["done"] == ["plan", "done by hand", "check"]
        assert line.ran == ["plan", "check"]


async def test_an_answer_may_end_the_run():
    line = Line("plan", "act")
    async with running(LangGraphAgent("g", graph=line.graph(interrupt_before=["act"]))) as runtime:
        await ask(runtime, {"done": []})
        answer = {"value": {"as_node": "__end__"}}
        assert await ask(runtime, answer, "resume") == ("reply", {"done": ["plan"]})
        with pytest.raises(UnknownInterrupt):
            await ask(runtime, {"value": True}, "resume")
    assert line.ran == ["plan"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (False, "can only go on"),
        ({"update": {"nte": "x"}}, "did you mean 'note'"),
        ({"updat": {}}, "did you mean 'update'"),
        ({"as_node": "atc"}, "did you mean 'act'"),
    ],
    ids=str,
)
async def test_an_answer_that_says_nothing_to_a_breakpoint_is_refused_and_the_question_stays(
    answer, problem
):
    line = Line("plan", "act")
    graph = line.graph(interrupt_before=["act"])
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        await ask(runtime, {"done": []})
        with pytest.raises(HandlerFailed, match=problem) as failed:
            await ask(runtime, {"value": answer}, "resume")
        assert failed.value.error_type == "PayloadError"
        assert line.ran == ["plan"]
        await ask(runtime, {"value": True}, "resume")
        assert restarts(runtime) == 0
    assert line.ran == ["plan", "act"]


async def test_a_new_message_leaves_the_breakpoint_behind():
    line = Line("plan", "act")
    async with running(LangGraphAgent("g", graph=line.graph(interrupt_before=["act"]))) as runtime:
        await ask(runtime, {"done": []})
        assert await ask(runtime, {"done": ["anew"]}) == ("interrupt", [["act"]])
        _, state = await ask(runtime, {"value": True}, "resume")
    assert state["done"] == ["plan", "anew", "plan", "act"]


async def test_a_run_that_failed_waits_for_nobody():
    async def fail(plan: Plan) -> Plan:
        raise KeyError("x")

    builder: Any = StateGraph(Plan)
    builder.add_node("fail", fail)
    builder.add_edge(START, "fail")
    graph = builder.compile(checkpointer=InMemorySaver())
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        with pytest.raises(HandlerFailed):
            await ask(runtime, {"done": []})
        with pytest.raises(UnknownInterrupt):
            await ask(runtime, {"value": True}, "resume")


async def test_a_breakpoint_without_checkpoints_fails_the_start():
    graph = Line("plan").graph(interrupt_before=["plan"], checkpointer=False)
    with pytest.raises(StartFailed, match="a breakpoint needs a graph with checkpoints"):
        await running(LangGraphAgent("g", graph=graph)).start()


async def test_a_run_that_its_own_node_drains_waits_to_be_resumed():
    ran = []

    async def first(plan: Plan, runtime: GraphRuntime) -> Plan:
        ran.append("first")
        assert runtime.control is not None
        runtime.control.request_drain("enough for now")
        return {"done": ["first"]}

    line = Line("second")
    builder: Any = StateGraph(Plan)
    builder.add_node("first", first)
    builder.add_node("second", line.node("second"))
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        assert await ask(runtime, {"done": []}) == ("interrupt", [["second"]])
        _, state = await ask(runtime, {"value": True}, "resume")
        assert restarts(runtime) == 0
    assert (state["done"], ran, line.ran) == (["first", "second"], ["first"], ["second"])


async def test_a_node_that_interrupts_itself_runs_again_with_the_state_that_the_answer_brings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langgraph.errors import NodeInterrupt

        def careful(plan: Plan) -> Plan:
            if "note" not in plan:
                raise NodeInterrupt("a note is needed")
            return {"done": [f"with {plan['note']}"]}

        def sure(plan: Plan) -> Plan:
            return {"done": [interrupt("sure?")]}

        builder: Any = StateGraph(Plan)
        for node in (careful, sure):
            builder.add_node(node.__name__, node)
        builder.add_edge(START, "careful")
        builder.add_edge("careful", "sure")
        async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
            assert await ask(runtime, {"done": []}) == ("interrupt", ["a note is needed"])
            assert await ask(runtime, {"value": "ok"}, "resume") == (
                "interrupt",
                ["a note is needed"],
            )
            answer = {"value": {"update": {"note": "a note"}}}
            assert await ask(runtime, answer, "resume") == ("interrupt", ["sure?"])
            _, state = await ask(runtime, {"value": "yes"}, "resume")
    assert state["done"] == ["with a note", "yes"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("deep", [False, True], ids=["at the top", "nested"])
async def test_a_message_that_is_delivered_again_does_not_pass_a_breakpoint(
    monkeypatch, after, deep
):
    line = Line("plan", "act")
    stop: dict[str, Any] = {"interrupt_after": ["plan"]} if after else {"interrupt_before": ["act"]}
    graph = line.nested(**stop) if deep else line.graph(**stop)
    agent = LangGraphAgent("g", graph=graph, durable=True)
    asked, lost = LangGraphAgent._asked, []

    async def lose_the_answer(self, *args: Any) -> Any:
        if not lost:
            lost.append(True)
            raise OSError("lost")
        return await asked(self, *args)

    monkeypatch.setattr(LangGraphAgent, "_asked", lose_the_answer)
    async with running(agent) as runtime:
        assert await ask(runtime, {"done": []}) == ("interrupt", [["act"]])
        assert (lost, line.ran) == ([True], ["plan"])
        await ask(runtime, {"value": True}, "resume")
    assert line.ran == ["plan", "act", *(["last"] if deep else [])]
