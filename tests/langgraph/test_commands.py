"""LangGraph's `Command` as a message."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from civitas.errors import HandlerFailed, PayloadError, UnknownInterrupt
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import restarts, running


class Box(TypedDict, total=False):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]
    note: str


def asking(**compiled: Any) -> Any:
    def ask(state: Box) -> Box:
        return {"got": [interrupt("sure?"), state.get("note", "")]}

    def last(state: Box) -> Box:
        return {"got": ["last"]}

    builder = StateGraph(Box)
    builder.add_node("ask", ask)
    builder.add_node("last", last)
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "last")
    return builder.compile(**compiled)


async def said(runtime: Any, *message: Any) -> Any:
    reply = await runtime.ask("g", *message, conversation="c")
    return reply.payload["got"] if reply.type == "reply" else reply.type


@pytest.mark.promise(id="SEM-1031")
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("plain", [False, True], ids=["a Command", "plain data"])
async def test_a_command_answers_and_updates_the_state(plain, durable):
    command: Any = {"resume": "yes", "update": {"note": "by hand"}}
    message = (command, "command") if plain else (Command(**command),)
    async with running(LangGraphAgent("g", graph=asking(), durable=durable)) as runtime:
        assert await said(runtime, {"got": []}) == "interrupt"
        assert await said(runtime, *message) == ["yes", "by hand", "last"]
        with pytest.raises(UnknownInterrupt):
            await said(runtime, *message)
        assert restarts(runtime) == 0


async def test_a_command_answers_by_id():
    async with running(LangGraphAgent("g", graph=asking())) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        [question] = asked.payload["interrupts"]
        assert await said(runtime, Command(resume={question["id"]: 1})) == [1, "", "last"]


@pytest.mark.parametrize("goto", ["last", ["last"], [{"node": "last", "arg": {}}]], ids=str)
async def test_a_command_goes_to_a_node_of_a_run_that_is_over(goto):
    async with running(LangGraphAgent("g", graph=asking())) as runtime:
        await said(runtime, {"got": []})
        await said(runtime, {"value": "yes"}, "resume")
        command = {"goto": goto, "update": {"got": ["again"]}}
        assert await said(runtime, command, "command") == ["yes", "", "last", "again", "last"]


async def test_an_update_of_a_command_is_made_once_where_its_run_is_tried_again():
    tries = []

    def flaky(state: Box) -> Box:
        tries.append(1)
        if len(tries) == 2:
            raise ConnectionError("down")
        return {"got": ["up"]}

    builder = StateGraph(Box)
    builder.add_node("flaky", flaky)
    builder.add_edge(START, "flaky")
    graph = builder.compile()
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        await said(runtime, {"got": []})
        command = {"goto": "flaky", "update": {"got": ["by hand"]}}
        assert await said(runtime, command, "command") == ["up", "by hand", "up"]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ({"goto": "lst"}, "payload.goto: there is no node 'lst'; did you mean 'last'"),
        ({"update": {"gto": []}}, "payload.update.gto: .* did you mean 'got'"),
        ({"resum": 1}, "did you mean 'resume'"),
        ({}, "says at least one of"),
        ("last", "a command must be a dict"),
        ({"goto": "last", "graph": "__parent__"}, "the agent's own graph"),
    ],
    ids=str,
)
async def test_a_command_that_does_not_fit_is_refused(command, problem):
    async with running(LangGraphAgent("g", graph=asking())) as runtime:
        with pytest.raises(HandlerFailed, match=problem) as failed:
            await said(runtime, command, "command")
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0


async def test_an_object_that_cannot_be_sent_is_told_to_the_sender():
    async with running(LangGraphAgent("g", graph=asking())) as runtime:
        with pytest.raises(PayloadError, match=r"payload\.goto: Send cannot be sent"):
            await said(runtime, Command(goto=Send("last", {})))


async def test_messages_in_an_update_are_what_langgraph_takes_as_messages():
    builder = StateGraph(MessagesState)
    builder.add_node("say", lambda state: {"messages": [f"{len(state['messages'])} before"]})
    builder.add_edge(START, "say")
    graph = builder.compile(checkpointer=InMemorySaver())
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        await runtime.ask("g", {"input": "a"}, conversation="c")
        update = {"messages": [{"role": "user", "content": "b"}]}
        command = {"goto": "say", "update": update}
        reply = await runtime.ask("g", command, "command", conversation="c")
    assert [each["content"] for each in reply.payload["messages"]] == [
        "a",
        "1 before",
        "b",
        "3 before",
    ]
