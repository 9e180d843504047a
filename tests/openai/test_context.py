"""The SDK's `context`: whose it is, and what of it is kept."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, function_tool
from pydantic import BaseModel

from civitas import wrap
from civitas.errors import ConfigurationError, HandlerFailed
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_openai import OpenAIAgent, handoff_to
from tests.core.frameworks.support import running
from tests.openai.support import Says, function


@dataclass
class Trip:
    """Of a dataclass, with parts of other classes and one that cannot be kept."""

    notes: list[str] = field(default_factory=list)
    on: dt.date | None = None
    seats: set[str] = field(default_factory=set)
    client: Any = field(default_factory=threading.Lock)


class Model(BaseModel):
    notes: list[str] = []


class Plain:
    def __init__(self) -> None:
        self.notes: list[str] = []


def notes_of(context: Any) -> list[str]:
    notes: list[str] = context["notes"] if isinstance(context, dict) else context.notes
    return notes


@function_tool
async def note(wrapper: RunContextWrapper[Any], text: str) -> str:
    """Note it."""
    notes_of(wrapper.context).append(text)
    return "noted"


@function_tool
async def recall(wrapper: RunContextWrapper[Any]) -> str:
    """Say what was noted."""
    return ", ".join(notes_of(wrapper.context))


def follow(input: Any) -> Any:
    """Note what the user says; where that is a question, say what was noted."""
    last = input[-1] if isinstance(input, list) else {"content": input}
    if last.get("type") == "function_call_output":
        return last["output"]
    text = last["content"]
    id = f"call-{len(input)}-{text}"
    return (
        [function("recall", id)] if text == "?" else [function("note", id, f'{{"text": "{text}"}}')]
    )


def make(context: Any, **keywords: Any) -> Any:
    agent: Agent[Any] = Agent(name="a", model=Says(follow), tools=[note, recall])
    return wrap(agent, name="o", context=context, **keywords)


async def say(runtime: Runtime, text: str, who: str | None) -> Any:
    return (await runtime.ask("o", {"input": text}, conversation=who)).payload["output"]


CONTEXTS: list[Any] = [
    Trip,
    Model,
    Plain,
    lambda: {"notes": []},
    "tests.openai.test_context:Trip",
    {"notes": []},
    Model(),
]


@pytest.mark.promise(id="SEM-1043")
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("pool", [False, True])
async def test_each_conversation_has_a_context_of_its_own_and_keeps_it(context, pool):
    async with running(make(context, per_conversation=pool)) as runtime:
        await say(runtime, "ANN-1", "ann")
        assert await say(runtime, "?", "bob") == ""
        assert await say(runtime, "?", None) == ""
        await say(runtime, "ANN-2", "ann")
        assert await say(runtime, "?", "ann") == "ANN-1, ANN-2"
        assert await say(runtime, "?", "bob") == ""


async def test_an_object_that_was_given_is_never_changed():
    given = {"notes": ["first"]}
    async with running(make(given)) as runtime:
        await say(runtime, "x", "ann")
        assert await say(runtime, "?", "ann") == "first, x"
    assert given == {"notes": ["first"]}


async def test_a_function_may_take_the_message():
    heard: list[Message] = []

    async def made(message: Message) -> dict[str, Any]:
        heard.append(message)
        return {"notes": [str(message.conversation)]}

    async with running(make(made)) as runtime:
        assert await say(runtime, "?", "ann") == "ann"
    assert len(heard) == 1


@pytest.mark.promise(id="SEM-1043")
async def test_what_is_kept_comes_back_in_its_class_after_a_restart(tmp_path: Path):
    seen: list[Trip] = []

    @function_tool
    async def plan(wrapper: RunContextWrapper[Trip]) -> str:
        """Plan it."""
        seen.append(wrapper.context)
        wrapper.context.on = dt.date(2026, 5, 1)
        wrapper.context.seats.add("1A")
        return "planned"

    def script(input: Any) -> Any:
        last = input[-1]
        return "done" if "output" in last else [function("plan", f"call-{len(input)}")]

    agent: Agent[Any] = Agent(name="a", model=Says(script), tools=[plan])
    for _ in range(2):
        store = SQLiteStateStore(tmp_path / "civitas.db")
        child = OpenAIAgent("o", agent=agent, context=Trip)
        async with Runtime(Supervisor("root", children=[child]), state_store=store) as runtime:
            await say(runtime, "x", "ann")
        await store.close()
    first, second = seen
    assert first is not second
    assert (second.on, second.seats) == (dt.date(2026, 5, 1), {"1A"})
    assert second.client is not first.client


@pytest.mark.promise(id="SEM-1044")
@pytest.mark.parametrize("context", [Trip, Model, Plain, lambda: {"notes": []}])
async def test_a_durable_run_that_goes_on_has_the_context_that_finished_tools_left(context):
    failed: list[int] = []

    @function_tool(failure_error_function=None)
    async def flaky() -> str:
        """Fail once."""
        failed.append(1)
        if len(failed) == 1:
            raise OSError("once")
        return "fine"

    both = [function("note", "1", '{"text": "x"}'), function("note", "2", '{"text": "y"}')]
    script = [both, [function("flaky", "3")], [function("recall", "4")]]
    agent: Agent[Any] = Agent(
        name="a",
        model=Says(script),
        tools=[note, recall, flaky],
        tool_use_behavior={"stop_at_tool_names": ["recall"]},
    )
    child = OpenAIAgent("o", agent=agent, context=context, durable=True)
    async with running(child) as runtime:
        assert await say(runtime, "hi", "ann") == "x, y"


async def test_a_run_that_waits_for_a_human_goes_on_with_its_context():
    @function_tool(needs_approval=True)
    async def pay(wrapper: RunContextWrapper[Any]) -> str:
        """Pay."""
        return f"paid with {notes_of(wrapper.context)}"

    script = [[function("note", "1", '{"text": "card"}')], [function("pay", "2")]]
    agent: Agent[Any] = Agent(
        name="a",
        model=Says(script),
        tools=[note, pay],
        tool_use_behavior={"stop_at_tool_names": ["pay"]},
    )
    async with running(OpenAIAgent("o", agent=agent, context=Trip)) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert reply.payload["output"] == "paid with ['card']"


async def test_an_agent_that_is_handed_the_whole_history_still_has_the_context():
    def script(input: Any) -> Any:
        return [function("transfer_to_o", f"t{len(input)}")]

    desk = Agent[Any](name="desk", model=Says(script), handoffs=[handoff_to("o")])
    async with running(make(Trip), OpenAIAgent("desk", agent=desk)) as runtime:
        await say(runtime, "x", "ann")
        reply = await runtime.ask("desk", {"input": "?"}, conversation="ann")
    assert reply.payload["output"] == "x"


async def test_a_run_that_fails_before_any_tool_leaves_the_context_as_it_was():
    def script(input: Any) -> Any:
        if input[-1].get("content") == "bad":
            return [function("nope", "9")]
        return follow(input)

    agent: Agent[Any] = Agent(name="a", model=Says(script), tools=[note, recall])
    async with running(OpenAIAgent("o", agent=agent, context=Trip)) as runtime:
        await say(runtime, "x", "ann")
        with pytest.raises(HandlerFailed):
            await say(runtime, "bad", "ann")
        assert await say(runtime, "?", "ann") == "x"


def test_an_object_that_cannot_be_copied_is_refused():
    with pytest.raises(ConfigurationError, match=r"cannot be copied for each .*Give a function"):
        make({"notes": [], "lock": threading.Lock()})


def test_a_function_that_needs_more_is_refused():
    def made(message: Message, extra: str) -> None: ...

    with pytest.raises(ConfigurationError, match="made needs message, extra"):
        make(made)


@pytest.mark.parametrize("name", ["nowhere", "tests.openai.test_context:Nobody", "no.such:thing"])
def test_a_name_that_leads_nowhere_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"context='.*module:name"):
        make(name)
