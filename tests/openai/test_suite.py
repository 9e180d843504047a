"""The adapter passes the suite of all adapters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, FunctionTool, Model, ModelResponse, Usage, function_tool
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from civitas.testing import AdapterSuite
from civitas.testing.adapter_model import SuiteModel, ToolCall
from civitas_openai import OpenAIAgent, agent_tool


class Played(Model):
    """A suite's model as one of the SDK; calls of `again` go before its last answer."""

    def __init__(self, model: SuiteModel, calls: int, approval: bool) -> None:
        self._model = model
        self._before = "approve" if approval else "again"
        self._calls = 2 if approval else calls

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> Any:
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        texts = [text for each in items for text in texts_of(each)]
        turn = await self._model.answer(texts)
        done = sum(each.get("name") == self._before for each in items[last_user(items) :])
        output: Any
        if isinstance(turn, ToolCall):
            output = call(turn.name, turn.id, json.dumps(turn.arguments))
        elif done < self._calls - 1:
            output = call(self._before, f"call-{done}", "{}")
            return ModelResponse([message(turn), output], Usage(), None)
        else:
            output = message(turn)
        return ModelResponse([output], Usage(), None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def last_user(items: list[Any]) -> int:
    return max(n for n, each in enumerate(items) if each.get("role") == "user")


def texts_of(item: Any) -> list[str]:
    content = item.get("content", item.get("output"))
    if isinstance(content, list):
        return [part["text"] for part in content]
    return [] if content is None else [content]


def message(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id="m", content=[part], role="assistant", status="completed", type="message"
    )


def call(name: str, id: str, arguments: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        call_id=id, name=name, arguments=arguments, type="function_call"
    )


@function_tool
async def again() -> str:
    """Go on."""
    return "again"


@function_tool(needs_approval=True)
async def approve() -> str:
    """Go on, when a human agrees."""
    return "approved"


class TestOpenAI(AdapterSuite):
    tells_calls = True

    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Agent[Any]:
        own = [approve if approval else again]
        return Agent(name="a", model=Played(model, calls, approval), tools=[*own, *tools])

    def payload(self, text: str) -> Any:
        return {"input": text}

    def text(self, payload: Any) -> str:
        return payload["output"]

    def tool(self, name: str) -> FunctionTool:
        return agent_tool(name, description="Helps.")

    def agent(self, name: str, subject: Any, **keywords: Any) -> OpenAIAgent:
        return OpenAIAgent(name, agent=subject, **keywords)
