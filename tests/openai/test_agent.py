"""SDK agents as agents."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, fields
from typing import Any

import pytest
from agents import (
    Agent,
    CustomTool,
    GuardrailFunctionOutput,
    RunConfig,
    RunContextWrapper,
    SQLiteSession,
    function_tool,
    input_guardrail,
)
from pydantic import BaseModel

from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import ConfigurationError, HandlerFailed
from civitas.frameworks import idempotency_key, wrap
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import doing, restarts, running
from tests.openai.support import Says, custom, function


@dataclass
class Context:
    user: str


async def test_text_is_answered_by_the_final_output(scripted):
    agent = Agent(name="a", model=scripted(["hello"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "hello"}


async def test_a_list_of_input_items_is_taken_as_it_is(scripted):
    heard: list[Any] = []

    def script(body: dict[str, Any]) -> str:
        heard.extend(body["messages"])
        return "hello"

    agent = Agent(name="a", model=scripted(script))
    items = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": items})
    assert [message["content"] for message in heard] == ["a", "b", "c"]


async def test_a_structured_output_arrives_as_a_dict(scripted):
    class Step(BaseModel):
        text: str

    class Plan(BaseModel):
        steps: list[Step]

    agent = Agent(name="a", model=scripted(['{"steps": [{"text": "go"}]}']), output_type=Plan)
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": {"steps": [{"text": "go"}]}}


async def test_tools_run_with_the_context_that_was_given(scripted):
    @function_tool
    async def who(wrapper: RunContextWrapper[Context]) -> str:
        """Say who asks."""
        return wrapper.context.user

    model = scripted(
        lambda body: (
            body["messages"][-1].get("content")
            if body["messages"][-1]["role"] == "tool"
            else ToolCall("who")
        )
    )
    agent = Agent[Context](name="a", model=model, tools=[who])
    async with running(OpenAIAgent("o", agent=agent, context=Context("ada"))) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "ada"}


async def test_the_sdks_own_session_and_run_config_are_used(scripted):
    heard: list[int] = []

    def script(body: dict[str, Any]) -> str:
        heard.append(len(body["messages"]))
        return "hello"

    session = SQLiteSession("s")
    config = RunConfig(model=scripted(script))
    agent = Agent(name="a", model="nowhere")
    async with running(
        OpenAIAgent("o", agent=agent, session=session, run_config=config)
    ) as runtime:
        await runtime.ask("o", {"input": "hi"})
        await runtime.ask("o", {"input": "again"})
    session.close()
    assert heard == [1, 3]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("hi", r'payload: a dict is needed, got str; it takes \{"input": text\}'),
        ({"inptu": "hi"}, r"payload\.inptu: .*did you mean `input`\?"),
        ({}, "it has no `input`"),
        ({"input": 5}, r"payload\.input: text or a list"),
        ({"input": []}, r"payload\.input: text or a list"),
        ({"input": ["hi"]}, r"payload\.input\[0\]"),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_with_what_fits(scripted, payload, error):
    agent = Agent(name="a", model=scripted([]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("o", payload)
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0


async def test_a_models_own_error_reaches_the_asker_by_name_and_the_agent_lives(scripted):
    agent = Agent(name="a", model=scripted([Failure(400, "no"), "hello"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "BadRequestError"
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "hello"}
        assert restarts(runtime) == 0


async def test_a_failing_tool_that_ends_the_run_is_the_sdks_own_error(scripted):
    @function_tool(failure_error_function=None)
    async def fail() -> str:
        """Fail."""
        raise ConnectionResetError("gone")

    agent = Agent(name="a", model=scripted([ToolCall("fail")]), tools=[fail])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed, match="gone") as failed:
            await runtime.ask("o", {"input": "hi"})
    assert failed.value.error_type == "UserError"
    assert "ConnectionResetError" in failed.value.remote_traceback


async def test_the_turn_limit_holds(scripted):
    @function_tool
    async def again() -> str:
        """Do it again."""
        return "again"

    agent = Agent(name="a", model=scripted(lambda body: ToolCall("again")), tools=[again])
    async with running(OpenAIAgent("o", agent=agent, max_turns=2)) as runtime:
        with pytest.raises(HandlerFailed, match="2") as failed:
            await runtime.ask("o", {"input": "hi"})
    assert failed.value.error_type == "MaxTurnsExceeded"


async def test_a_guardrails_error_keeps_its_name(scripted):
    @input_guardrail
    async def never(context: Any, agent: Any, items: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    agent = Agent(name="a", model=scripted(["hello"]), input_guardrails=[never])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
    assert failed.value.error_type == "InputGuardrailTripwireTriggered"


async def test_a_tool_that_waits_for_approval_is_an_interrupt(scripted):
    @function_tool(needs_approval=True)
    async def delete(path: str) -> str:
        """Delete a file."""
        return "deleted"

    agent = Agent(name="a", model=scripted([ToolCall("delete", {"path": "x"})]), tools=[delete])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"}, conversation="c1")
    (open_,) = reply.payload["interrupts"]
    assert (reply.type, reply.conversation) == ("interrupt", "c1")
    assert open_["id"].startswith("call_")
    assert open_["value"] == {"name": "delete", "arguments": {"path": "x"}}


async def test_the_agent_and_its_configuration_stay_as_they_were(scripted):
    @function_tool
    async def look() -> str:
        """Look."""
        return "found"

    model = scripted([ToolCall("look"), "done"])
    agent = Agent(name="a", model=model, tools=[look], handoffs=[Agent(name="b", model=model)])
    config = RunConfig(workflow_name="w")
    # Fields, not attributes: the SDK keeps marks of its own beside them.
    before = [fields_of(each) for each in (agent, look, config)]
    async with running(OpenAIAgent("o", agent=agent, run_config=config)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert [fields_of(each) for each in (agent, look, config)] == before


def fields_of(value: Any) -> dict[str, Any]:
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {key: copy.copy(item) if isinstance(item, list) else item for key, item in found.items()}


async def test_wrap_knows_an_agent_and_a_function_that_builds_one(scripted):
    agent = Agent(name="a", model=scripted(["one", "two"]))
    first, second = wrap(agent, name="o"), wrap(lambda: agent, name="p", max_turns=3)
    assert isinstance(first, OpenAIAgent)
    async with running(first, second) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "one"}
        assert (await runtime.ask("p", {"input": "hi"})).payload == {"output": "two"}


def test_what_is_no_agent_is_an_error_that_says_what_is():
    with pytest.raises(ConfigurationError, match=r"agent must be an `agents\.Agent`.*got 'a'"):
        OpenAIAgent("o", agent="a")  # type: ignore[arg-type]


@pytest.mark.promise(id="SEM-1699")
async def test_each_call_of_a_tool_has_an_idempotency_key_of_its_own(scripted):
    keys: list[str] = []

    @function_tool
    async def twice() -> str:
        """Look at it twice."""
        keys.extend([idempotency_key(), idempotency_key()])
        return "done"

    model = scripted([[ToolCall("twice"), ToolCall("twice")], "done"])
    agent = Agent(name="a", model=model, tools=[twice])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert (len(keys), len(set(keys))) == (4, 2)


@pytest.mark.promise(id="SEM-1051")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_reply_says_what_its_run_used_and_which_calls_failed(durable):
    @function_tool
    async def fail() -> str:
        """Fail."""
        raise ValueError("no")

    async def also(context: Any, text: str) -> str:
        raise OSError("neither")

    @function_tool
    async def look() -> str:
        """Look."""
        return "seen"

    inner = Agent[Any](name="b", model=Says([[function("fail", "i")], "told"]), tools=[fail])
    calls = [function("fail", "1"), custom("also", "2", "x"), function("look", "3")]
    tools: list[Any] = [
        fail,
        CustomTool("also", "Fail.", also),
        look,
        inner.as_tool("inner", "Ask."),
    ]
    model = Says([calls, [function("inner", "4", '{"input": "x"}')], "done"])
    agent = Agent[Any](name="a", model=model, tools=tools)
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": "done"}
    assert json.loads(reply.headers["civitas-usage"]) == {
        "requests": 5,
        "input_tokens": 25,
        "output_tokens": 10,
        "total_tokens": 35,
    }
    failures = json.loads(reply.headers["civitas-tool-failures"])
    assert sorted((each["name"], each["error"]) for each in failures) == [
        ("also", "neither"),
        ("fail", "ValueError: no"),
        ("fail", "ValueError: no"),
    ]


@pytest.mark.promise(id="SEM-1643")
async def test_while_it_runs_it_tells_its_agent_and_tool_and_what_its_models_used():
    seen = []

    @function_tool
    async def look() -> str:
        """Look."""
        seen.append(doing(runtime, "o"))
        return "seen"

    agent = Agent(name="clerk", model=Says([[function("look", "1")], "done"]), tools=[look])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    [told] = seen
    assert (told["step"], told["usage"]) == ("clerk: look", [1, 5, 2, 7])
