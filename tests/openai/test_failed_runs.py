"""What a conversation knows of a run that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import (
    Agent,
    ApplyPatchTool,
    CustomTool,
    GuardrailFunctionOutput,
    LocalShellTool,
    RunHooks,
    ShellTool,
    SQLiteSession,
    ToolGuardrailFunctionOutput,
    function_tool,
    input_guardrail,
    output_guardrail,
    tool_output_guardrail,
)
from openai.types.responses import ResponseReasoningItem

from civitas.errors import AskTimeout, HandlerFailed, UnknownInterrupt
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import restarts, running
from tests.openai.support import Says, custom, function, local_shell, patch, shell


@function_tool
async def book(seat: str) -> str:
    """Book a seat."""
    return f"booked {seat}"


@function_tool(failure_error_function=None)
async def pay() -> str:
    """Pay."""
    raise KeyError("no card")


def booking(id: str) -> Any:
    return function("book", id, f'{{"seat": "{id}"}}')


def pairs(items: list[Any]) -> list[tuple[str, str]]:
    """Each call in the input of a model with what came of it; each output must belong to a call before it."""
    begun: dict[str, str] = {}
    told = []
    for item in items:
        kind = item.get("type", "message")
        if kind.endswith("_call"):
            begun[item["call_id"]] = item.get("name", kind)
        elif kind.endswith("_output"):
            output = item.get("output")
            told.append((begun.pop(item["call_id"]), output if isinstance(output, str) else "..."))
    assert begun == {}
    return told


def users(items: list[Any]) -> list[Any]:
    return [each["content"] for each in items if each.get("role") == "user"]


@output_guardrail
async def no_secrets(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in output)


@input_guardrail
async def slow_no(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    bad = "bad" in str(given[-1])
    while bad and not BOOKED.is_set():
        await asyncio.sleep(0)
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=bad)


BOOKED = asyncio.Event()


@function_tool
async def book_and_wait(seat: str) -> str:
    """Book a seat, slowly."""
    BOOKED.set()
    await asyncio.Event().wait()
    return seat


class Broken(RunHooks[Any]):
    async def on_tool_end(self, *arguments: Any) -> None:
        raise OSError("the audit log is full")


def make(*script: Any, tools: Any = (book, pay), own: Any = None, **keywords: Any) -> Any:
    model = Says([*script, "the next answer"])
    more = {
        key: keywords.pop(key)
        for key in ("input_guardrails", "output_guardrails")
        if key in keywords
    }
    agent = Agent(name="a", model=model, tools=list(tools), **more)
    return model, OpenAIAgent("o", agent=agent, session=own, **keywords)


@pytest.fixture
async def session() -> AsyncIterator[SQLiteSession]:
    session = SQLiteSession("s")
    yield session
    session.close()


ENDS: dict[str, tuple[Any, Any, list[str]]] = {
    "turn limit": ([[booking("1A")], [booking("2B")]], {"max_turns": 2}, ["1A", "2B"]),
    "output guardrail": (
        [[booking("1A")], "a secret"],
        {"output_guardrails": [no_secrets]},
        ["1A"],
    ),
    "hook": ([[booking("1A")]], {"hooks": Broken()}, ["1A"]),
    "unknown tool": ([[booking("1A")], [function("nope", "9")]], {}, ["1A"]),
}


@pytest.mark.promise(id="SEM-1041")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize("end", ["turn limit", "output guardrail", "unknown tool"])
async def test_the_next_run_is_told_of_the_tools_that_ran_before_a_bad_end(
    session, durable, owned, end
):
    script, keywords, seats = ENDS[end]
    own = session if owned else None
    model, agent = make(*script, own=own, durable=durable, **keywords)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
        assert restarts(runtime) == 0
    assert pairs(model.inputs[-1]) == [("book", f"booked {seat}") for seat in seats]
    assert users(model.inputs[-1]) == ["one", "two"]
    assert "secret" not in str(model.inputs[-1])


@pytest.mark.promise(id="SEM-1041")
@pytest.mark.parametrize("owned", [False, True])
async def test_a_tool_that_raises_and_what_ran_beside_it_are_told(session, owned):
    calls = [booking("1A"), function("pay", "p")]
    model, agent = make([booking("0")], calls, own=session if owned else None)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert sorted(pairs(model.inputs[-1])) == [
        ("book", "booked 0"),
        ("book", "booked 1A"),
        ("pay", "The call failed with KeyError, and the run with it."),
    ]
    assert users(model.inputs[-1]) == ["one", "two"]


@pytest.mark.parametrize("owned", [False, True])
async def test_a_call_that_was_cut_off_is_told_with_its_doubt(session, owned):
    BOOKED.clear()
    calls = [function("book_and_wait", "w", '{"seat": "1A"}')]
    tools, guards = [book_and_wait], [slow_no]
    own = session if owned else None
    model, agent = make(calls, tools=tools, own=own, input_guardrails=guards)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "bad"}, conversation="c")
        assert failed.value.error_type == "InputGuardrailTripwireTriggered"
        await runtime.ask("o", {"input": "two"}, conversation="c")
    ((name, text),) = pairs(model.inputs[-1])
    assert name == "book_and_wait"
    assert "not known" in text


async def test_a_result_that_a_guardrail_stopped_is_not_told():
    @tool_output_guardrail
    async def never(data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.raise_exception()

    @function_tool(tool_output_guardrails=[never])
    async def read() -> str:
        """Read it."""
        return "the secret"

    model, agent = make([function("read", "r")], tools=[read])
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    ((name, text),) = pairs(model.inputs[-1])
    assert name == "read"
    assert "withheld" in text


class Editor:
    def create_file(self, operation: Any) -> str:
        return f"made {operation.path}"

    update_file = delete_file = create_file


async def test_calls_of_every_kind_are_told():
    def fail(request: Any) -> str:
        raise OSError("no shell")

    tools = [
        ShellTool(executor=lambda request: "listed"),
        ApplyPatchTool(editor=Editor()),
        CustomTool("run_sql", "Run it.", lambda context, text: f"ran {text}"),
        LocalShellTool(executor=fail),
    ]
    calls = [shell("1", "ls"), patch("2", "a.txt", "+a"), custom("run_sql", "3", "select 1")]
    model, agent = make([*calls, local_shell("4", "ls")], tools=tools)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert sorted(pairs(model.inputs[-1])) == [
        ("apply_patch_call", "made a.txt"),
        ("local_shell_call", "The call failed with OSError, and the run with it."),
        ("run_sql", "ran select 1"),
        ("shell_call", "..."),
    ]


async def test_what_the_model_thought_stands_before_its_calls():
    thought = ResponseReasoningItem(id="rs", summary=[], type="reasoning")
    model, agent = make([thought, function("pay", "p")])
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    kinds = [each.get("type") for each in model.inputs[-1]]
    assert kinds.index("reasoning") < kinds.index("function_call")


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-964")
async def test_a_run_in_which_no_tool_ran_leaves_no_trace(durable):
    model, agent = make("fine", "a secret", output_guardrails=[no_secrets], durable=durable)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "two"}, conversation="c")
        await runtime.ask("o", {"input": "three"}, conversation="c")
    assert users(model.inputs[-1]) == ["one", "three"]


@pytest.mark.parametrize("durable", [False, True])
async def test_a_run_that_is_given_up_leaves_its_conversation_as_it_was(durable):
    async def wait(input: Any) -> Any:
        if input[-1].get("type") == "function_call_output":
            await asyncio.Event().wait()
        return [booking("1A")] if input[-1]["content"] == "one" else "fine"

    model = Says(wait)
    agent = OpenAIAgent("o", agent=Agent(name="a", model=model, tools=[book]), durable=durable)
    async with running(agent) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("o", {"input": "one"}, conversation="c", timeout=0.3)
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert users(model.inputs[-1]) == ["two"]


async def test_a_durable_run_that_crashes_and_goes_on_tells_of_each_call_once():
    failed: list[int] = []

    @function_tool(failure_error_function=None)
    async def flaky() -> str:
        """Fail once."""
        failed.append(1)
        if len(failed) == 1:
            raise OSError("once")
        return "fine"

    script = [[booking("1A")], [function("flaky", "f")], "done"]
    model, agent = make(*script, tools=[book, flaky], durable=True)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert pairs(model.inputs[-1]) == [("book", "booked 1A"), ("flaky", "fine")]


@function_tool(needs_approval=True)
async def refund() -> str:
    """Pay back."""
    return "paid back"


@pytest.mark.parametrize("owned", [False, True])
async def test_a_resumed_run_that_fails_tells_of_what_was_approved_and_closes_the_question(
    session, owned
):
    calls = [booking("1A"), function("refund", "r")]
    own = session if owned else None
    keywords = {"output_guardrails": [no_secrets]}
    model, agent = make(calls, "a secret", tools=[book, refund], own=own, **keywords)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"value": True}, "resume", conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("o", {"value": False}, "resume", conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("o", {"value": True}, "resume", conversation="c")
    assert sorted(pairs(model.inputs[-1])) == [("book", "booked 1A"), ("refund", "paid back")]
    assert users(model.inputs[-1]) == ["one", "two"]


@pytest.mark.promise(id="SEM-1652")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("owned", [False, True])
async def test_the_same_answer_once_more_goes_on_behind_what_it_let_happen(session, owned, durable):
    paid: list[str] = []

    @function_tool(needs_approval=True)
    async def pay() -> str:
        """Pay."""
        paid.append("paid")
        return "paid"

    own = session if owned else None
    keywords = {"output_guardrails": [no_secrets], "durable": durable}
    script = [booking("1A"), function("pay", "p")], "a secret", "a secret", "It is paid."
    model, agent = make(*script, tools=[book, pay], own=own, **keywords)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        for _ in range(2):
            with pytest.raises(HandlerFailed, match="Guardrail"):
                await runtime.ask("o", {"value": True}, "resume", conversation="c")
        reply = await runtime.ask("o", {"value": True}, "resume", conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("o", {"value": True}, "resume", conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert (reply.payload, paid) == ({"output": "It is paid."}, ["paid"])
    assert sorted(pairs(model.inputs[-1])) == [("book", "booked 1A"), ("pay", "paid")]
    assert users(model.inputs[-1]) == ["one", "two"]


@pytest.mark.parametrize("owned", [False, True])
async def test_what_ran_before_a_question_that_is_left_behind_is_told(session, owned):
    calls = [booking("1A"), function("refund", "r")]
    model, agent = make(calls, tools=[book, refund], own=session if owned else None)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
    assert pairs(model.inputs[-1]) == [("book", "booked 1A")]
    assert users(model.inputs[-1]) == ["one", "two"]
