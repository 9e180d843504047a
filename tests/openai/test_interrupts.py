"""Tools that wait for a human's approval."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    SQLiteSession,
    function_tool,
    output_guardrail,
)
from agents.version import __version__ as sdk

from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import HandlerFailed, StartFailed, UnknownInterrupt
from civitas.frameworks.conversations import Record, key_of
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import restarts, running
from tests.openai.support import Says, function

DELETED: list[str] = []


@pytest.fixture(autouse=True)
def deleted() -> list[str]:
    DELETED.clear()
    return DELETED


@function_tool(needs_approval=True)
async def delete(path: str) -> str:
    """Delete a file."""
    DELETED.append(path)
    return f"deleted {path}"


def echo(body: dict[str, Any]) -> Any:
    """Delete what the user names; then say what came of it."""
    last = body["messages"][-1]
    if last["role"] == "user":
        return [ToolCall("delete", {"path": path}) for path in str(last["content"]).split()]
    results = []
    for each in reversed(body["messages"]):
        if each["role"] != "tool":
            break
        results.insert(0, each["content"])
    return "; ".join(results)


def make(scripted: Any, **keywords: Any) -> OpenAIAgent:
    return OpenAIAgent("o", agent=Agent(name="a", model=scripted(echo), tools=[delete]), **keywords)


@contextlib.asynccontextmanager
async def kept(folder: Path, agent: OpenAIAgent) -> AsyncIterator[Runtime]:
    store = SQLiteStateStore(folder / "civitas.db")
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        yield runtime
    await store.close()


async def test_an_approval_lets_the_tool_run(scripted, deleted):
    async with running(make(scripted)) as runtime:
        asked = await runtime.ask("o", {"input": "x"}, conversation="c")
        assert (asked.type, deleted) == ("interrupt", [])
        (question,) = asked.payload["interrupts"]
        assert question["value"] == {"name": "delete", "arguments": {"path": "x"}}
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.type, reply.payload, deleted) == ("reply", {"output": "deleted x"}, ["x"])


@pytest.mark.parametrize("answer", [False, {"approve": False}])
async def test_a_refusal_is_told_to_the_model(scripted, deleted, answer):
    async with running(make(scripted)) as runtime:
        asked = await runtime.ask("o", {"input": "x"})
        reply = await runtime.ask("o", {"value": answer}, "resume", conversation=asked.conversation)
    assert "not approved" in reply.payload["output"]
    assert deleted == []


async def test_a_refusal_may_bring_its_own_words(scripted):
    answer = {"approve": False, "message": "not that one"}
    async with running(make(scripted)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        reply = await runtime.ask("o", {"value": answer}, "resume", conversation="c")
    assert reply.payload == {"output": "not that one"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("yes", r"payload\.value: an approval takes True, False or .*got 'yes'"),
        ({"approved": True}, "an approval takes"),
        ({"approve": True, "mesage": "x"}, r"payload\.value\.mesage: there is no such key"),
        ({"approve": False, "message": 5}, r"payload\.value\.message: text is needed"),
    ],
)
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
async def test_an_answer_that_is_none_is_refused_and_the_question_stays_open(
    scripted, answer, error, durable
):
    async with running(make(scripted, durable=durable)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("o", {"value": answer}, "resume", conversation="c")
        assert failed.value.error_type == "PayloadError"
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
        assert restarts(runtime) == 0
    assert reply.payload == {"output": "deleted x"}


@pytest.mark.promise(id="SEM-1022")
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
async def test_the_next_answer_is_the_one_used_where_a_run_failed_on_the_first(
    scripted, deleted, durable
):
    failures = [Failure(400)]

    def fails_once(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool" and failures:
            return failures.pop()
        return echo(body)

    agent = OpenAIAgent(
        "o", agent=Agent(name="a", model=scripted(fails_once), tools=[delete]), durable=durable
    )
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"value": False}, "resume", conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
        assert restarts(runtime) == 0
    assert (reply.payload, deleted) == ({"output": "deleted x"}, ["x"])


async def test_several_are_answered_together_by_their_ids(scripted, deleted):
    async with running(make(scripted)) as runtime:
        asked = await runtime.ask("o", {"input": "x y"}, conversation="c")
        first, second = (each["id"] for each in asked.payload["interrupts"])
        answers = {"values": {first: True, second: {"approve": False, "message": "keep y"}}}
        reply = await runtime.ask("o", answers, "resume", conversation="c")
    assert reply.payload == {"output": "deleted x; keep y"}
    assert deleted == ["x"]


async def test_those_that_are_not_answered_stay_open(scripted, deleted):
    async with running(make(scripted)) as runtime:
        asked = await runtime.ask("o", {"input": "x y"}, conversation="c")
        first, second = asked.payload["interrupts"]
        answer = {"id": second["id"], "value": True}
        again = await runtime.ask("o", answer, "resume", conversation="c")
        assert again.type == "interrupt"
        assert again.payload["interrupts"] == [first]
        with pytest.raises(UnknownInterrupt, match="answered already"):
            await runtime.ask("o", answer, "resume", conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert reply.type == "reply"
    assert sorted(deleted) == ["x", "y"]


@pytest.mark.promise(id="SEM-965")
async def test_the_answer_may_come_after_a_restart(scripted, tmp_path, deleted):
    async with kept(tmp_path, make(scripted)) as runtime:
        asked = await runtime.ask("o", {"input": "x"})
    async with kept(tmp_path, make(scripted)) as runtime:
        reply = await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
    assert (reply.payload, deleted) == ({"output": "deleted x"}, ["x"])


@output_guardrail
async def fine(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


@pytest.mark.parametrize("conversation", ["c", None])
@pytest.mark.parametrize("more", [{}, {"output_guardrails": [fine]}])
async def test_the_conversation_holds_each_item_once_after_the_answer(scripted, conversation, more):
    heard: list[Any] = []

    def script(body: dict[str, Any]) -> Any:
        heard.append([each["role"] for each in body["messages"]])
        return "bye" if body["messages"][-1]["content"] == "thanks" else echo(body)

    agent = Agent(name="a", model=scripted(script), tools=[delete], **more)
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        asked = await runtime.ask("o", {"input": "x"}, conversation=conversation)
        await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
        await runtime.ask("o", {"input": "thanks"}, conversation=asked.conversation)
    assert heard[-1] == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("durable", [False, True])
async def test_the_users_own_session_holds_each_item_once_after_the_answer(scripted, durable):
    session = SQLiteSession("s")
    async with running(make(scripted, session=session, durable=durable)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        await runtime.ask("o", {"value": True}, "resume", conversation="c")
    items = await session.get_items()
    session.close()
    assert [each.get("type", each.get("role")) for each in items] == [
        "user",
        "function_call",
        "function_call_output",
        "message",
    ]


async def test_what_an_assistant_said_before_is_still_known_after_the_answer(scripted, deleted):
    before = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    async with running(make(scripted)) as runtime:
        begin = {"input": [*before, {"role": "user", "content": "x"}]}
        await runtime.ask("o", begin, conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload, deleted) == ({"output": "deleted x"}, ["x"])


async def test_a_new_message_lets_the_question_fall(scripted, deleted):
    async with running(make(scripted)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        asked = await runtime.ask("o", {"input": "y"}, conversation="c")
        assert [each["value"]["arguments"] for each in asked.payload["interrupts"]] == [
            {"path": "y"}
        ]
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload, deleted) == ({"output": "deleted y"}, ["y"])


def expert(levels: int, name: str) -> Agent[Any]:
    """An agent with a tool that needs approval, so many agents deep."""

    def script(tool: str) -> Any:
        def answer(input: Any) -> Any:
            results = [each["output"] for each in input if "output" in each]
            arguments = '{"path": "x", "input": "x"}'
            return str(results[-1]) if results else [function(tool, f"{name}-{tool}", arguments)]

        return answer

    agent = Agent[Any](name="level0", model=Says(script("delete")), tools=[delete])
    for n in range(levels):
        tool = agent.as_tool(f"ask{n}", "Ask.")
        agent = Agent[Any](name=f"level{n + 1}", model=Says(script(f"ask{n}")), tools=[tool])
    return agent


OLD = sdk.startswith("0.20.")


@pytest.mark.promise(id="SEM-1046")
@pytest.mark.parametrize(
    "levels", [1, pytest.param(2, marks=pytest.mark.skipif(OLD, reason="refused"))]
)
@pytest.mark.parametrize("durable", [False, True])
async def test_an_approval_deep_in_agents_that_are_tools_goes_on(deleted, levels, durable):
    agent = expert(levels, f"deep{levels}{durable}")
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"}, conversation="c")
        assert [each["value"]["name"] for each in asked.payload["interrupts"]] == ["delete"]
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload["output"], deleted) == ("deleted x", ["x"])


@pytest.mark.promise(id="SEM-1046")
@pytest.mark.skipif(not OLD, reason="newer versions have it right")
async def test_an_approval_that_the_sdk_would_never_take_is_refused_at_the_start():
    with pytest.raises(StartFailed, match=r"'delete' of 'level0' needs approval.*0\.21"):
        async with running(OpenAIAgent("o", agent=expert(2, "refused"))):
            pass


@dataclass
class Context:
    user: str
    lock: Any = None


@pytest.mark.parametrize("context", [Context("ada", object()), {"user": "ada", "lock": object()}])
async def test_the_context_is_there_again_after_the_answer(scripted, context, caplog):
    @function_tool(needs_approval=True)
    async def who(wrapper: RunContextWrapper[Any]) -> str:
        """Say who asks."""
        kept = wrapper.context if isinstance(context, dict) else vars(wrapper.context)
        assert (kept["user"], type(kept["lock"])) == ("ada", object)
        return "it is there"

    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return last["content"] if last["role"] == "tool" else ToolCall("who")

    agent = Agent[Any](name="a", model=scripted(script), tools=[who])
    async with running(OpenAIAgent("o", agent=agent, context=context)) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert reply.payload == {"output": "it is there"}
    assert caplog.records == []


async def test_a_run_that_was_handed_over_goes_on_where_it_was(scripted, deleted):
    def script(body: dict[str, Any]) -> Any:
        tools = [each["function"]["name"] for each in body["tools"]]
        if "transfer_to_expert" in tools:
            return ToolCall("transfer_to_expert")
        last = body["messages"][-1]
        called = any(each.get("tool_calls") for each in body["messages"][-2:-1])
        if called and str(last["content"]).startswith("deleted"):
            return "expert: done"
        return ToolCall("delete", {"path": "x"})

    model = scripted(script)
    expert = Agent(name="expert", model=model, tools=[delete])
    agent = Agent(name="a", model=model, handoffs=[expert])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload, deleted) == ({"output": "expert: done"}, ["x"])


async def test_an_approval_inside_an_agent_that_is_a_tool_is_asked_for_too(scripted, deleted):
    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return f"said: {body['messages'][-1]['content']}"
        return ToolCall("ask_expert", {"input": "x"})

    expert = Agent(name="expert", model=scripted(echo), tools=[delete])
    tool = expert.as_tool("ask_expert", "Ask the expert.")
    agent = Agent(name="a", model=scripted(script), tools=[tool])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        asked = await runtime.ask("o", {"input": "x"}, conversation="c")
        (question,) = asked.payload["interrupts"]
        assert question["value"] == {"name": "delete", "arguments": {"path": "x"}}
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload, deleted) == ({"output": "said: deleted x"}, ["x"])


async def test_a_run_saved_by_a_newer_sdk_says_so_and_stays_open(scripted, tmp_path, deleted):
    async with kept(tmp_path, make(scripted)) as runtime:
        await runtime.ask("o", {"input": "x"}, conversation="c")
    store = SQLiteStateStore(tmp_path / "civitas.db")
    key = key_of("o", "c")
    record = await Record.load(store, key)
    here = record.saved
    record.saved = {**here, "state": {**here["state"], "$schemaVersion": "1.999"}, "sdk": "9.9"}
    await record.keep(store, key)
    await store.close()
    async with kept(tmp_path, make(scripted)) as runtime:
        with pytest.raises(HandlerFailed, match=r"openai-agents 9\.9.*stays open") as failed:
            await runtime.ask("o", {"value": True}, "resume", conversation="c")
        assert failed.value.error_type == "ConfigurationError"
        assert restarts(runtime) == 0
    store = SQLiteStateStore(tmp_path / "civitas.db")
    record = await Record.load(store, key)
    record.saved = here
    await record.keep(store, key)
    await store.close()
    async with kept(tmp_path, make(scripted)) as runtime:
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert (reply.payload, deleted) == ({"output": "deleted x"}, ["x"])
