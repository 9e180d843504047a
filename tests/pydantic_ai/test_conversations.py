"""What is kept of a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic_ai import RunContext
from pydantic_ai.messages import SystemPromptPart

from civitas import HandlerFailed, Runtime, Supervisor, UnknownInterrupt, wrap
from civitas.frameworks.conversations import key_of
from civitas.state import InMemoryStateStore, LongRecord, Retention
from civitas_pydantic_ai._memory import KeptMessages, shortened
from tests.core.frameworks.support import restarts, running, transcript
from tests.core.state.few_methods import FewMethods, WithBatches
from tests.pydantic_ai.support import Says, call, last_turn, texts_of

STORES = [FewMethods, WithBatches]
SIZE = 2000


def text(number: int) -> str:
    """Two thousand characters that no other number has."""
    return (f"{number} is a number. " * 200)[:SIZE]


def look(number: int) -> str:
    """Look it up."""
    return text(number)


@asynccontextmanager
async def asked(kind: Any, agent: Any, **keywords: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A runtime with the agent `o`, and its store."""
    store = kind(InMemoryStateStore())
    tree = Supervisor("root", [wrap(agent, name="o", **keywords)], backoff="NONE")
    async with Runtime(tree, state_store=store) as runtime:
        yield runtime, store


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1862")
async def test_a_turn_writes_what_is_new_in_it_however_long_the_conversation_is(
    kind: Any, durable: bool
) -> None:
    says = Says(lambda messages: text(len(messages)))
    async with asked(kind, says.agent(system_prompt="sys"), durable=durable) as (runtime, store):
        written = []
        for number in range(30):
            before = store.bytes
            await runtime.ask("o", {"input": text(number)}, conversation="c")
            written.append(store.bytes - before)
    new = 2 * SIZE
    # A durable run has its answer written before it is in the conversation, too.
    assert sum(written[-20:]) <= (4 if durable else 3) * 20 * new


@pytest.mark.promise(id="SEM-1862")
async def test_a_run_with_many_calls_writes_each_about_twice() -> None:
    calls = 30

    def script(messages: Any) -> Any:
        done = len(last_turn(messages)) // 2
        return "The end." if done >= calls else [call("look", f"c{done}", number=done)]

    says = Says(script)
    async with asked(WithBatches, says.agent(tools=[look]), durable=True) as (runtime, store):
        await runtime.ask("o", {"input": "go"}, conversation="c")
        assert store.bytes <= 3 * calls * SIZE
        assert not await store.keys("civitas:steps")


async def test_a_conversation_is_shown_to_people() -> None:
    says = Says([[*Says.said("Let me see."), call("count", "c1", number=1)], "found it"])
    store = InMemoryStateStore()
    agent = wrap(says.agent(tools=[count], system_prompt="sys"), name="o")
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        await runtime.ask("o", {"input": "where?"}, conversation="c")
    assert await transcript(store, "o", "c") == [
        "system: sys",
        "user: where?",
        'assistant: Let me see.\n  assistant calls count({"number": 1})',
        "tool count: 1",
        "assistant: found it",
    ]


def count(number: int) -> int:
    return number


@pytest.mark.promise(id="SEM-1862")
async def test_a_system_prompt_stays_with_what_is_left_of_a_conversation() -> None:
    says = Says(lambda messages: f"answer {len(messages)}")
    agent = wrap(says.agent(system_prompt="sys"), name="o")
    tree = Supervisor("root", [agent])
    async with Runtime(tree, conversations=Retention(longest=4)) as runtime:
        for number in range(6):
            await runtime.ask("o", {"input": f"question {number}"}, conversation="c")
    last = says.asked[-1]
    assert [each.content for each in last[0].parts if isinstance(each, SystemPromptPart)] == ["sys"]
    assert texts_of(last)[0] == "question 3"


def test_the_newest_turns_are_left_whole() -> None:
    def item(kind: str) -> dict[str, Any]:
        return {"kind": "request", "parts": [{"part_kind": kind, "content": kind}]}

    items = [item("user-prompt"), item("tool-return"), item("user-prompt"), item("tool-return")]
    assert shortened(items, 3) == items[2:]
    assert shortened(items, 1) == items[2:]
    assert shortened([], 1) == []


@pytest.mark.promise(id="SEM-1568")
async def test_what_a_newer_version_kept_is_refused_and_left_alone() -> None:
    store = InMemoryStateStore()
    kept = await LongRecord.load(store, key_of("o", "c"))
    await kept.save({"history": {"items": [], "newer": 1}}, {})
    agent = wrap(Says(["never"]).agent(), name="o")
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        with pytest.raises(HandlerFailed, match="a newer civitas-pydantic-ai kept this"):
            await runtime.ask("o", {"input": "hi"}, conversation="c")
    assert (await LongRecord.load(store, key_of("o", "c"))).facts["history"]["newer"] == 1


@pytest.mark.promise(id="SEM-1862")
async def test_none_that_a_tool_was_called_with_or_returned_is_kept() -> None:
    def nothing(of: int | None) -> None:
        """Return nothing."""

    says = Says([[call("nothing", "c1", of=None)], "one", "two"])
    async with running(wrap(says.agent(tools=[nothing]), name="a")) as runtime:
        await runtime.ask("a", {"input": "first"}, conversation="c")
        await runtime.ask("a", {"input": "second"}, conversation="c")
    answer, returned = says.asked[-1][1].parts[0], says.asked[-1][2].parts[0]
    assert getattr(answer, "args", 0) == {"of": None}
    assert getattr(returned, "content", 0) is None


# A run that fails after tools ran.


def fail() -> str:
    raise KeyError("broken")


@pytest.mark.promise(id="SEM-1863")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_run_that_fails_after_tools_ran_tells_the_next_one_so(durable: bool) -> None:
    says = Says(
        [
            "old answer",
            [call("look", "c1", number=1)],
            [call("look", "c2", number=2), call("fail", "c3"), call("fail", "c4")],
            "well",
        ]
    )
    agent = wrap(says.agent(tools=[look, fail]), name="a", durable=durable)
    async with running(agent) as runtime:
        await runtime.ask("a", {"input": "old"}, conversation="c")
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("a", {"input": "do it"}, conversation="c")
        assert failed.value.error_type == "KeyError"
        await runtime.ask("a", {"input": "what happened?"}, conversation="c")
        assert restarts(runtime) == 0
    told = says.texts[-1]
    assert told[:4] == ["old", "old answer", "do it", text(1)]
    assert told[4] == text(2)
    assert any("failed with KeyError" in each for each in told[5:7])
    assert told[-1] == "what happened?"


@pytest.mark.promise(id="SEM-1863")
async def test_a_run_that_fails_before_a_tool_ran_leaves_no_trace() -> None:
    def script(messages: Any) -> Any:
        if "broken" in texts_of(messages)[-1]:
            raise ValueError("broken")
        return "well"

    says = Says(script)
    async with running(wrap(says.agent(), name="a")) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", {"input": "broken"}, conversation="c")
        await runtime.ask("a", {"input": "next"}, conversation="c")
    assert says.texts[-1] == ["next"]


def test_what_a_failed_run_left_is_not_seen_by_its_own_next_delivery() -> None:
    history = {"items": [{"a": 1}, {"b": 2}], "failed": ["m1", 1]}
    assert KeptMessages.load(history, "m1").items == [{"a": 1}]
    assert len(KeptMessages.load(history, "m2").items) == 2


@pytest.mark.promise(id="SEM-1863")
async def test_an_answer_whose_run_failed_may_be_given_again() -> None:
    from pydantic_ai import Tool

    done: list[str] = []
    fails = [RuntimeError("down"), None]

    def approve(ctx: RunContext[Any]) -> str:
        done.append(ctx.tool_call_id or "")
        return "approved"

    def script(messages: Any) -> Any:
        if len(messages) == 1:
            return [call("approve", "c1")]
        if error := fails.pop(0):
            raise error
        return "well"

    says = Says(script)
    agent = wrap(says.agent(tools=[Tool(approve, requires_approval=True)]), name="a")
    async with running(agent) as runtime:
        await runtime.ask("a", {"input": "do it"}, conversation="c")
        with pytest.raises(HandlerFailed, match="down"):
            await runtime.ask("a", {"value": True}, "resume", conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("a", {"value": False}, "resume", conversation="c")
        reply = await runtime.ask("a", {"value": True}, "resume", conversation="c")
    assert reply.payload == {"output": "well"}
    assert done == ["c1"]
