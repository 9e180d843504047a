"""The model and the tools that a runtime hands to its agents."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from civitas.errors import ConfigurationError
from civitas.message import Message
from civitas.models import ModelResponse
from civitas.plugins import hookimpl
from civitas.process import AgentProcess, current_agent
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
        assert (await runtime.ask("a", "?", conversation="c-1")).payload == ["42", 3]
    (chat,) = (each for each in spans.get_finished_spans() if each.name == "chat m-1")
    assert (chat.attributes or {})["gen_ai.conversation.id"] == "c-1"
    assert ancestry(spans) == {
        "send a": None,
        "process a": "send a",
        "chat m-1": "process a",
        "execute_tool add": "process a",
    }


@pytest.mark.promise(id="SEM-1709")
async def test_what_is_said_is_recorded_where_the_environment_asks_for_it_and_redacted(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Redacts:
        @hookimpl
        def civitas_redact(self, attribute: str, content: Any) -> Any:
            return json.loads(json.dumps(content).replace("secret", "***"))

    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    model = ScriptedModel([ModelResponse("a secret answer")])
    root = Supervisor("root", [Thinks("a")])
    async with Runtime(root, model_provider=model, tools=[add], plugins=[Redacts()]) as runtime:
        await runtime.ask("a", "a secret question")
    told = {each.name: dict(each.attributes or {}) for each in spans.get_finished_spans()}
    chat, tool_call = told["chat m-1"], told["execute_tool add"]
    assert json.loads(str(chat["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": "a *** question"}]}
    ]
    assert "a *** answer" in str(chat["gen_ai.output.messages"])
    assert tool_call["gen_ai.tool.call.arguments"] == '{"a":1,"b":2}'
    assert tool_call["gen_ai.tool.call.result"] == "3"


async def test_a_plain_tool_runs_in_a_thread_of_the_runtime_for_tools() -> None:
    @tool
    def where() -> str:
        """Say in which thread it runs, and for whom."""
        return f"{threading.current_thread().name} {current_agent.get().name}"

    class Uses(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(await where.call())

    class UsesFromThread(AgentProcess):
        def handle(self, message: Message) -> Message:  # type: ignore[override]
            return self.reply(self.run(where.call()))

    async with Runtime(Supervisor("root", [Uses("a"), UsesFromThread("b")])) as runtime:
        for name in ("a", "b"):
            assert (await runtime.ask(name, 1)).payload == f"civitas-root-tools_0 {name}"


async def test_a_plain_tool_that_raises_stop_iteration_has_failed() -> None:
    @tool
    def empty() -> str:
        """Run out."""
        return next(iter(()))

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await empty.call()


@pytest.mark.promise(id="SEM-605")
def test_what_is_no_tool_is_refused_when_the_runtime_is_built() -> None:
    with pytest.raises(ConfigurationError, match="is not a tool"):
        Runtime(Supervisor("root"), tools=[42])  # type: ignore[list-item]
