"""Other agents of the system as tools and as targets of handoffs, and the tools of its runtime."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from agents import Agent, FunctionTool, Handoff, ModelResponse, Tool, Usage, handoff
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.models.interface import Model
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from civitas.errors import HandlerFailed
from civitas.frameworks import AgentCall, RuntimeTool, find_runtime_tools
from civitas_openai._handoffs import as_messages, read_output
from civitas_openai._responses import as_delta, as_event

if TYPE_CHECKING:
    from agents import RunResult
    from pydantic import BaseModel

    from civitas.message import Message

__all__ = ["agent_tool", "final_output", "handoff_to", "runtime_tools"]

_IS_JSON = "civitas:json"


def agent_tool(
    name: str,
    *,
    description: str,
    parameters: type[BaseModel] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> FunctionTool:
    """A tool that asks the agent `name`, wherever it runs and whatever its framework.

    Made in module code; it finds the running system when it is called. The model reads the reply's payload as JSON
    text; if the agent fails, a text that says so.

    Args:
        name: Name of the agent; the tool is called that too, with ``_`` for what no tool's name may hold.
        description: What it is for, for the model.
        parameters: What the model must give, a pydantic model's class or a JSON Schema; it becomes the payload. One
            text `input` by default.
        timeout: Seconds to wait for the answer; None: as long as the run that calls it may take.

    Raises:
        ConfigurationError: An argument does not fit; when called, that it was outside of an agent.
    """
    call = AgentCall(name, description=description, parameters=parameters, timeout=timeout)
    return _native(call, strict=parameters is None)


def runtime_tools(*names: str) -> list[Tool]:
    """The tools of the runtime (`self.tools`, those of its MCP servers too) as tools of the SDK.

    To be called by the function that builds the agent, which `wrap` calls when the agent starts. A tool that fails, or
    whose server is not there, gives the model a text that says so.

    Args:
        *names: Of the tools, or patterns such as ``files_*``; all of them for none.

    Raises:
        ConfigurationError: No agent is being started here.
        UnknownTool: A name matches none.
    """
    return [_native(each, strict=False) for each in find_runtime_tools(names)]


def _native(call: AgentCall | RuntimeTool, *, strict: bool) -> FunctionTool:
    async def ask(context: Any, arguments: str) -> str:
        try:
            if call.model is None:
                given = json.loads(arguments or "{}")
            else:
                given = call.model.model_validate_json(arguments or "{}").model_dump()
        except ValueError as error:
            return f"Error: the arguments do not fit: {error}"
        return await call.call(given)

    vars(ask)["civitas_asks"] = call.name
    return FunctionTool(
        _tool_name(call.name),
        call.description,
        call.schema,
        ask,
        # A strict schema has no optional fields; those of others may be.
        strict_json_schema=strict,
    )


def handoff_to(name: str, description: str | None = None) -> Handoff[Any, Agent[Any]]:
    """A handoff to the agent `name`, wherever it runs and whatever its framework; for `Agent(handoffs=[...])`.

    The agent is asked with the history, `{"input": [{"role", "content"}, ...]}`, and what it answers is the final
    output of the run. The history is what the SDK hands to the agent that takes over; set the `input_filter` of what
    is returned to hand on less. Where the agent fails, the run does.

    Made in module code; it finds the running system when the model hands over.

    Args:
        name: Name of the agent; the model calls ``transfer_to_NAME``.
        description: When to hand over to it, for the model.

    Raises:
        ConfigurationError: `name` can be none; when the model hands over, that it was outside of an agent.
    """
    text = description or f"Handoff to the {name} agent to handle the request."
    call = AgentCall(name, description=text)
    stands_for = Agent(name=call.name, model=_Elsewhere(call))
    return handoff(
        stands_for,
        tool_name_override=f"transfer_to_{_tool_name(name)}",
        tool_description_override=text,
    )


def final_output(result: RunResult) -> Any:
    """The output of a run; that of an agent that was handed over to as it was sent."""
    output = result.final_output
    if result.raw_responses and result.raw_responses[-1].request_id == _IS_JSON:
        return json.loads(output)
    return output


def _tool_name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)


class _Elsewhere(Model):
    """What stands for an agent elsewhere: its answer is the answer of this model."""

    elsewhere = True

    def __init__(self, call: AgentCall) -> None:
        self._call = call
        self.model = self.asks = call.name

    async def get_response(
        self, system_instructions: str | None, input: Any, *more: Any, **named: Any
    ) -> ModelResponse:
        return self._read(await self._call.ask(_payload(input), whole_history=True))

    async def stream_response(
        self, system_instructions: str | None, input: Any, *more: Any, **named: Any
    ) -> AsyncIterator[Any]:
        last: Message | None = None
        async with aclosing(self._call.stream(_payload(input), whole_history=True)) as told:
            async for last in told:
                if last.type == "token":
                    yield as_delta(last.payload["text"])
        assert last is not None
        yield as_event(self._read(last), self._call.name)

    def _read(self, reply: Message) -> ModelResponse:
        if reply.type == "interrupt":
            raise HandlerFailed(
                self._call.name,
                "Interrupted",
                f"it waits for a human, in conversation {reply.conversation!r}: resume it there",
            )
        output = read_output(reply.payload)
        is_text = isinstance(output, str)
        text = output if is_text else json.dumps(output, ensure_ascii=False, default=str)
        part = ResponseOutputText(text=text, type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id=FAKE_RESPONSES_ID,
            content=[part],
            role="assistant",
            status="completed",
            type="message",
        )
        return ModelResponse([message], Usage(), None, None if is_text else _IS_JSON)


def _payload(input: Any) -> dict[str, Any]:
    return {"input": as_messages(input)}
