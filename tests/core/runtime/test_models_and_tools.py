"""The model and the tools that a runtime hands to its agents."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from civitas.errors import ConfigurationError
from civitas.message import Message
from civitas.models import ModelResponse
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import ScriptedModel
from civitas.tools import tool
from tests.core.runtime.test_tracing import ancestry
from tests.core.runtime.test_tracing import spans as spans  # noqa: PLC0414 - a fixture


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Thinks(AgentProcess):
    """Asks the model and calls a tool."""

    async def handle(self, message: Message) -> Message:
        if self.llm is None or self.tools is None:
            return self.reply([self.llm, self.tools])
        answer = await self.llm.chat("m-1", [{"role": "user", "content": message.payload}])
        return self.reply([answer.content, await self.tools["add"].call(a=1, b=2)])


@pytest.mark.promise(id="SEM-123")
async def test_an_agent_without_a_model_or_tools_has_none() -> None:
    async with Runtime(Supervisor("root", [Thinks("a")])) as runtime:
        assert (await runtime.ask("a", "?")).payload == [None, None]


@pytest.mark.promise(id="SEM-123")
async def test_calls_of_the_model_and_of_tools_are_spans_of_the_message(
    spans: InMemorySpanExporter,
) -> None:
    model = ScriptedModel([ModelResponse("42", tokens_in=3, tokens_out=1)])
    runtime = Runtime(Supervisor("root", [Thinks("a")]), model_provider=model, tools=[add])
    async with runtime:
        assert (await runtime.ask("a", "?")).payload == ["42", 3]
    assert ancestry(spans) == {
        "send a": None,
        "process a": "send a",
        "chat m-1": "process a",
        "execute_tool add": "process a",
    }


@pytest.mark.promise(id="SEM-605")
def test_what_is_no_tool_is_refused_when_the_runtime_is_built() -> None:
    with pytest.raises(ConfigurationError, match="is no tool"):
        Runtime(Supervisor("root"), tools=[42])  # type: ignore[list-item]
