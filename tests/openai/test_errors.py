"""What the failures of a run mean."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    ToolGuardrailFunctionOutput,
    function_tool,
    input_guardrail,
    output_guardrail,
    tool_input_guardrail,
)
from openai.types.responses import ResponseOutputMessage, ResponseOutputRefusal
from pydantic import BaseModel

from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import HandlerFailed
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import restarts, running
from tests.openai.support import Says, function


@function_tool
async def look() -> str:
    """Look."""
    return "found"


@input_guardrail
async def no_input(context: Any, agent: Any, items: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


@output_guardrail
async def no_output(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


@tool_input_guardrail
def no_tool(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.raise_exception()


@function_tool(tool_input_guardrails=[no_tool])
async def guarded() -> str:
    """Never."""
    return ""


class Plan(BaseModel):
    steps: list[str]


@pytest.mark.parametrize(
    ("answer", "keywords", "error"),
    [
        (ToolCall("look"), {"tools": [look]}, "MaxTurnsExceeded"),
        ("x", {"input_guardrails": [no_input]}, "InputGuardrailTripwireTriggered"),
        ("x", {"output_guardrails": [no_output]}, "OutputGuardrailTripwireTriggered"),
        (ToolCall("guarded"), {"tools": [guarded]}, "ToolInputGuardrailTripwireTriggered"),
        (ToolCall("nobody"), {}, "ModelBehaviorError"),
        ("no plan", {"output_type": Plan}, "ModelBehaviorError"),
    ],
)
@pytest.mark.parametrize("keywords_of_agent", [{}, {"durable": True}])
@pytest.mark.promise(id="SEM-970")
async def test_a_bad_end_of_a_run_is_an_answer_and_the_agent_lives(
    scripted, answer, keywords, error, keywords_of_agent
):
    agent = Agent(name="a", model=scripted(lambda body: answer), **keywords)
    async with running(OpenAIAgent("o", agent=agent, max_turns=2, **keywords_of_agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == error
        assert restarts(runtime) == 0


@pytest.mark.parametrize(
    ("failure", "error"),
    [(Failure(500, "down"), "InternalServerError"), (Failure(429, "slow"), "RateLimitError")],
)
@pytest.mark.promise(id="SEM-971")
async def test_a_provider_that_is_down_or_busy_is_told_to_the_asker(scripted, failure, error):
    agent = Agent(name="a", model=scripted([failure, "hello"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == error
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "hello"}
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-971")
async def test_a_durable_run_asks_a_busy_provider_again_when_that_says(scripted):
    asked: list[int] = []

    def script(body: dict[str, Any]) -> Any:
        asked.append(len(body["messages"]))
        answers = [ToolCall("look"), Failure(429, "slow", retry_after=0.01), "done"]
        return answers[len(asked) - 1]

    agent = Agent(name="a", model=scripted(script), tools=[look])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
        assert restarts(runtime) == 0
    assert asked == [1, 3, 3]


@pytest.mark.promise(id="SEM-1081")
async def test_a_key_that_is_refused_is_told_to_the_asker_and_the_agent_lives(scripted):
    agent = Agent(name="a", model=scripted([Failure(401, "who?"), "hello"]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "AuthenticationError"
        await runtime.ask("o", {"input": "hi"})
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-970")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_model_that_refuses_is_an_answer_and_the_agent_lives(durable):
    class Weather(BaseModel):
        degrees: int

    refusal = ResponseOutputRefusal(refusal="I cannot say", type="refusal")
    refused = ResponseOutputMessage(
        id="m", content=[refusal], role="assistant", status="completed", type="message"
    )
    agent = Agent[Any](name="a", model=Says([[refused], '{"degrees": 3}']), output_type=Weather)
    async with running(OpenAIAgent("o", agent=agent, durable=durable)) as runtime:
        with pytest.raises(HandlerFailed, match="I cannot say") as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "ModelRefusalError"
        reply = await runtime.ask("o", {"input": "hi"})
        assert restarts(runtime) == 0
    assert reply.payload == {"output": {"degrees": 3}}


@pytest.mark.promise(id="SEM-1087")
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_tool_that_exits_ends_its_agent_and_nobody_else(in_thread):
    def leave() -> str:
        """Leave."""
        sys.exit(3)

    async def leave_async() -> str:
        """Leave."""
        sys.exit(3)

    tool = function_tool(leave if in_thread else leave_async, name_override="leave")
    agent = Agent[Any](name="a", model=Says([[function("leave", "1")], "hi"]), tools=[tool])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "SystemExit"
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "hi"}
        assert restarts(runtime) == 1
