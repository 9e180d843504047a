"""An instrumentation of OpenTelemetry that is on beside a crew: nothing is told twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from civitas.demo.model_server import ToolCall
from civitas.telemetry import names
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.core.telemetry.support import Metered
from tests.crewai.test_spans import crew_of, look

pytest.importorskip("opentelemetry.util.genai")

from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def of_the_client(spans: Any) -> Iterator[None]:
    OpenAIInstrumentor().instrument()
    yield
    OpenAIInstrumentor().uninstrument()


def script(body: dict[str, Any]) -> Any:
    if body["messages"][-1]["role"] == "tool" or "secret too" in str(body["messages"]):
        return "an answer"
    return ToolCall("look", {"q": "x"})


@pytest.mark.promise(id="SEM-1704")
@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_of_a_model_is_one_span_where_its_client_is_instrumented(
    spans: Any, of_the_client: None, scripted: Any, streams: bool
) -> None:
    llm = scripted(script)
    llm.stream = streams
    async with running(CrewAIAgent("c", crew=crew_of(llm, look))) as runtime:
        await runtime.ask("c", {})
    chats = [each for each in spans.all() if each.name.startswith("chat")]
    assert [each.name for each in chats] == 3 * ["chat m1"]
    assert {each.instrumentation_scope.name for each in chats} == {names.SCOPE}


@pytest.mark.promise(id="SEM-1704")
async def test_the_spans_of_the_framework_can_be_switched_off_and_the_figures_stay(
    spans: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered = Metered(monkeypatch)
    agent = CrewAIAgent("c", crew=crew_of(scripted(script), look), framework_spans=False)
    async with running(agent) as runtime:
        await runtime.ask("c", {})
    assert [each.strip() for each in spans.outline()] == [
        "send c",
        "process c",
        "invoke_workflow c",
        "user code",
    ]
    points = metered.points()
    assert points[names.INFERENCE_DURATION][0][1] == 3
    assert points[names.TOOL_DURATION][0][1] == 1
    assert points[names.RUNS] == [({names.AGENT_NAME: "c", names.RUN_STATUS: "done"}, 1)]
