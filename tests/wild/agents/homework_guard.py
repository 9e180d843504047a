"""Guardrails: an agent looks at the input first, a function at the output."""

from agents import (
    Agent,
    GuardrailFunctionOutput,
    Runner,
    input_guardrail,
    output_guardrail,
)
from pydantic import BaseModel


class MathHomeworkOutput(BaseModel):
    reasoning: str
    is_math_homework: bool


guardrail_agent = Agent(
    name="Guardrail check",
    instructions="Check if the user asks for math homework.",
    output_type=MathHomeworkOutput,
)


@input_guardrail(run_in_parallel=False)
async def math_guardrail(context, agent, input):
    result = await Runner.run(guardrail_agent, input, context=context.context)
    found = result.final_output
    return GuardrailFunctionOutput(found, tripwire_triggered=found.is_math_homework)


@output_guardrail
async def no_phone_numbers(context, agent, output):
    return GuardrailFunctionOutput({}, tripwire_triggered="650" in output)


agent = Agent(
    name="Customer support agent",
    instructions="You help customers with their questions.",
    input_guardrails=[math_guardrail],
    output_guardrails=[no_phone_numbers],
)
