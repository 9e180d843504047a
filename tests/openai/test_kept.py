"""How much of a conversation and of a run is written, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, function_tool

from civitas.errors import HandlerFailed
from civitas.frameworks.conversations import Record, key_of
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, LongRecord
from civitas.supervision import Supervisor
from civitas_openai import OpenAIAgent
from civitas_openai._folded import unfold
from tests.core.state.few_methods import FewMethods, WithBatches
from tests.openai.support import Says, function

STORES = [FewMethods, WithBatches]
SIZE = 2000


def text(number: int) -> str:
    """Two thousand characters that no other number has."""
    return (f"{number} is a number. " * 200)[:SIZE]


@function_tool
async def look(number: int) -> str:
    """Look it up."""
    return text(number)


@function_tool(needs_approval=True)
async def ask(number: int) -> str:
    """Look it up, if that is allowed."""
    return text(number)


def calling(tool: str, times: int) -> Callable[[Any], Any]:
    """Call the tool that many times after the last message of the user, one call after the other."""

    def script(items: Any) -> Any:
        users = max(at for at, each in enumerate(items) if each.get("role") == "user")
        done = sum(each.get("type") == "function_call_output" for each in items[users:])
        if done >= times:
            return "The end."
        arguments = json.dumps({"number": len(items)})
        return [function(tool, f"{tool}-{users}-{done}", arguments)]

    return script


@asynccontextmanager
async def asked(kind: Any, agent: Agent[Any], **keywords: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A runtime with the agent `o`, and its store."""
    store = kind(InMemoryStateStore())
    tree = Supervisor("root", [OpenAIAgent("o", agent=agent, **keywords)], backoff="NONE")
    async with Runtime(tree, state_store=store) as runtime:
        yield runtime, store


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1593")
async def test_a_turn_writes_what_is_new_in_it_however_long_the_conversation_is(
    kind: Any, durable: bool
) -> None:
    agent = Agent(name="a", model=Says(lambda items: text(len(items))))
    async with asked(kind, agent, durable=durable) as (runtime, store):
        written = []
        for number in range(40):
            before = store.bytes
            await runtime.ask("o", {"input": text(number)}, conversation="c")
            written.append(store.bytes - before)
    new = 2 * SIZE
    # A durable run has its answer written before it is in the conversation, too.
    assert sum(written[-20:]) <= (4 if durable else 3) * 20 * new
    assert store.size <= 1.2 * 40 * new


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.promise(id="SEM-1594")
async def test_a_run_that_waits_for_a_human_is_kept_without_the_conversation_before_it(
    kind: Any,
) -> None:
    agent = Agent(name="a", model=Says(calling("ask", 1)), tools=[ask])
    history = [{"role": "user", "content": text(number)} for number in range(100)]
    async with asked(kind, agent) as (runtime, store):
        await runtime.ask("o", {"input": history}, conversation="c")
        assert store.size <= 1.1 * 100 * SIZE
        before = store.bytes
        # What was said is in the state that the run goes on from, and in the conversation.
        await runtime.ask("o", {"value": True}, "resume", conversation="c")
        assert store.bytes - before <= 3 * SIZE


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1594")
async def test_each_approval_of_a_long_run_writes_what_is_new(kind: Any, durable: bool) -> None:
    agent = Agent(name="a", model=Says(calling("ask", 30)), tools=[ask])
    written = []
    keywords: Any = {"durable": durable, "max_turns": None}
    async with asked(kind, agent, **keywords) as (runtime, store):
        reply = await runtime.ask("o", {"input": "Go on."}, conversation="c")
        while reply.type == "interrupt":
            before = store.bytes
            reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
            written.append(store.bytes - before)
    assert reply.payload == {"output": "The end."}
    # What the SDK says of the last call, whatever it is, takes some room.
    assert sum(written[-10:]) <= 10 * (3 * SIZE + 8000)
    assert store.size <= 1.2 * 30 * SIZE


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.promise(id="SEM-1595")
async def test_a_durable_run_writes_each_call_and_its_conversation(kind: Any) -> None:
    calls = 30
    agent = Agent(name="a", model=Says(calling("look", calls)), tools=[look])
    async with asked(kind, agent, durable=True, max_turns=None) as (runtime, store):
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        assert store.bytes <= 2.5 * calls * SIZE
    assert store.size <= 1.2 * calls * SIZE


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.promise(id="SEM-1595")
async def test_a_context_that_grows_has_what_is_new_in_it_written(kind: Any) -> None:
    @function_tool
    async def note(context: RunContextWrapper[dict[str, Any]], number: int) -> str:
        """Note it."""
        context.context["notes"].append(text(number))
        return "noted"

    calls = 30
    agent = Agent(name="a", model=Says(calling("note", calls)), tools=[note])
    keywords: Any = {"durable": True, "max_turns": None, "context": {"notes": []}}
    async with asked(kind, agent, **keywords) as (runtime, store):
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        assert store.bytes <= 4 * calls * SIZE
        before = store.bytes
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        assert store.bytes - before <= 4 * calls * SIZE
    assert store.size <= 1.2 * 2 * calls * SIZE


@pytest.mark.promise(id="SEM-1568")
async def test_a_question_that_an_earlier_version_kept_is_answered() -> None:
    model = Says(calling("ask", 1))
    agent = Agent(name="a", model=model, tools=[ask])
    async with asked(WithBatches, agent) as (runtime, store):
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        key = key_of("o", "c")
        record = await Record.load(store, key)
        saved = record.saved
        state = unfold(saved["state"], record.history["items"])
        await LongRecord.forget(store, key)
        # As before there were pieces: all under one key, the SDK's state as it is.
        await store.set(
            key,
            {
                "history": record.history,
                "interrupts": record.interrupts,
                "saved": {"state": state, "sdk": saved["sdk"], "session": True},
            },
        )
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
        assert reply.payload == {"output": "The end."}
        await runtime.ask("o", {"input": "And now?"}, conversation="c")
    users = [each["content"] for each in model.inputs[-1] if each.get("role") == "user"]
    assert users == ["Go on.", "And now?"]


async def test_a_question_that_a_newer_version_kept_is_refused_and_stays_open() -> None:
    agent = Agent(name="a", model=Says(calling("ask", 1)), tools=[ask])
    async with asked(WithBatches, agent) as (runtime, store):
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        record = await Record.load(store, key_of("o", "c"))
        for form, answer in ((99, "a newer civitas-openai interrupted it"), (2, None)):
            record.saved = {**record.saved, "form": form}
            await record.keep(store, key_of("o", "c"))
            asking = runtime.ask("o", {"value": True}, "resume", conversation="c")
            if answer is None:
                assert (await asking).payload == {"output": "The end."}
            else:
                with pytest.raises(HandlerFailed, match=answer):
                    await asking


@pytest.mark.promise(id="SEM-1568")
async def test_a_conversation_that_a_newer_version_kept_is_refused_and_left_alone() -> None:
    agent = Agent(name="a", model=Says(["one", "two"]))
    async with asked(WithBatches, agent) as (runtime, store):
        await runtime.ask("o", {"input": "Go on."}, conversation="c")
        record = await Record.load(store, key_of("o", "c"))
        record.history = {**record.history, "mood": "fine"}
        await record.keep(store, key_of("o", "c"))
        with pytest.raises(HandlerFailed, match=r"newer civitas-openai .* 'mood' in it"):
            await runtime.ask("o", {"input": "Go on."}, conversation="c")
        assert (await Record.load(store, key_of("o", "c"))).history == record.history
