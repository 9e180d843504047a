"""Instrumentations of OpenTelemetry that are on beside an SDK agent: nothing is told twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from agents import Agent, function_tool, set_tracing_disabled
from agents.tracing import get_trace_provider

from civitas.demo.model_server import ToolCall
from civitas.telemetry import names
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import running
from tests.core.telemetry.support import Metered

pytest.importorskip("opentelemetry.util.genai")

from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.genai.openai_agents import OpenAIAgentsInstrumentor


@pytest.fixture(autouse=True)
def tracing() -> Iterator[None]:
    get_trace_provider().set_processors([])
    set_tracing_disabled(False)
    yield
    set_tracing_disabled(True)
    get_trace_provider().set_processors([])


@pytest.fixture
def of_the_client(spans: Any) -> Iterator[None]:
    OpenAIInstrumentor().instrument()
    yield
    OpenAIInstrumentor().uninstrument()


@pytest.fixture
def of_the_sdk(spans: Any) -> Iterator[None]:
    OpenAIAgentsInstrumentor().instrument()
    yield
    OpenAIAgentsInstrumentor().uninstrument()


@function_tool
async def look(q: str) -> str:
    """Look it up."""
    return "finding"


def clerk(model: Any) -> Agent[Any]:
    return Agent(name="clerk", model=model, tools=[look])


@pytest.mark.promise(id="SEM-1704")
@pytest.mark.parametrize("api", ["chat completions", "responses"])
async def test_a_call_of_a_model_is_one_span_where_its_client_is_instrumented(
    spans: Any, of_the_client: None, scripted: Any, responding: Any, api: str
) -> None:
    make = scripted if api == "chat completions" else responding
    model = make([ToolCall("look", {"q": "x"}), "done"])
    async with running(OpenAIAgent("o", agent=clerk(model))) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert spans.outline()[3:] == [
        "      invoke_agent clerk",
        "        chat m1",
        "        execute_tool look",
        "        chat m1",
    ]
    chat = spans.attributes("chat m1")
    assert chat[names.PROVIDER] == "openai"
    # What only the client's instrumentation knows is on our span.
    assert chat[names.RESPONSE_MODEL] == "m1"


@pytest.mark.promise(id="SEM-1704")
async def test_agents_and_tools_are_one_span_each_where_the_sdk_is_instrumented(
    spans: Any, of_the_sdk: None, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered = Metered(monkeypatch)
    model = scripted([ToolCall("look", {"q": "x"}), "done"])
    async with running(OpenAIAgent("o", agent=clerk(model))) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert spans.outline() == [
        "send o",
        "  process o",
        "    invoke_agent o",
        "      invoke_workflow Agent workflow",
        "        invoke_agent clerk",
        "          chat m1",
        "          execute_tool look",
        "          chat m1",
    ]
    assert spans.attributes("execute_tool look")[names.TOOL_CALL_ID].startswith("call")
    points = metered.points()
    assert names.TOOL_DURATION not in points
    assert points[names.OPERATION_DURATION][0][1] == 2


@pytest.mark.promise(id="SEM-1704")
async def test_the_spans_of_the_framework_can_be_switched_off_and_the_figures_stay(
    spans: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered = Metered(monkeypatch)
    model = scripted([ToolCall("look", {"q": "x"}), "done"])
    agent = OpenAIAgent("o", agent=clerk(model), framework_spans=False)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert spans.outline() == ["send o", "  process o", "    invoke_agent o"]
    points = metered.points()
    assert points[names.OPERATION_DURATION][0][1] == 2
    assert points[names.RUNS] == [({names.AGENT_NAME: "o", names.RUN_STATUS: "done"}, 1)]


@pytest.mark.promise(id="SEM-1704")
async def test_the_spans_of_the_framework_can_be_kept_beside_an_instrumentation(
    spans: Any, of_the_sdk: None, scripted: Any
) -> None:
    agent = OpenAIAgent("o", agent=clerk(scripted(["done"])), framework_spans=True)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert [each.name for each in spans.all()].count("invoke_agent clerk") == 2
