"""Model providers, and the spans around their calls."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from civitas.models import ModelProvider, ModelResponse, TracedModel
from civitas.telemetry import Tracing, names
from civitas.testing import ScriptedModel
from tests.core.telemetry.support import Recorded

QUESTION = [{"role": "user", "content": "a secret prompt"}]


@pytest.fixture
def recorded(monkeypatch):
    return Recorded(monkeypatch)


@pytest.fixture
def tracing(recorded):
    tracing = Tracing()
    tracing.refresh()
    return tracing


@pytest.mark.promise(id="SEM-711")
def test_a_response_needs_nothing_but_its_content():
    assert ModelResponse("hello") == ModelResponse(
        content="hello", model="", tokens_in=0, tokens_out=0, cost_usd=None, tool_calls=()
    )


@pytest.mark.promise(id="SEM-711")
def test_a_provider_is_whatever_can_chat():
    assert isinstance(ScriptedModel([]), ModelProvider)
    assert not isinstance(object(), ModelProvider)


async def test_a_call_is_a_span_with_model_and_tokens(tracing, recorded):
    answer = ModelResponse("hi", model="gpt-4o-2026", tokens_in=12, tokens_out=3, cost_usd=0.01)
    model = TracedModel(ScriptedModel([answer]), tracing)
    assert await model.chat("gpt-4o", QUESTION) is answer
    assert dict(recorded.span("chat gpt-4o").attributes) == {
        names.GEN_AI_OPERATION: "chat",
        names.PROVIDER: "scripted",
        names.REQUEST_MODEL: "gpt-4o",
        names.RESPONSE_MODEL: "gpt-4o-2026",
        names.INPUT_TOKENS: 12,
        names.OUTPUT_TOKENS: 3,
        names.USAGE_COST: 0.01,
    }


@pytest.mark.promise(id="SEM-713")
async def test_prompts_and_answers_stay_out_of_the_trace(tracing, recorded):
    await TracedModel(ScriptedModel(["a secret answer"]), tracing).chat("gpt", QUESTION)
    assert "secret" not in recorded.span("chat gpt").to_json()


async def test_a_call_that_fails_marks_its_span(tracing, recorded):
    model = TracedModel(ScriptedModel([ConnectionError("no route")]), tracing)
    with pytest.raises(ConnectionError):
        await model.chat("gpt", QUESTION)
    assert recorded.span("chat gpt").status.status_code is StatusCode.ERROR


async def test_without_a_provider_of_traces_the_model_is_simply_called():
    model = TracedModel(ScriptedModel(["hi"]), Tracing())
    assert (await model.chat("gpt", QUESTION)).content == "hi"


async def test_a_provider_may_answer_with_an_object_of_its_own(tracing, recorded):
    class Own:
        content = "hi"

    model = TracedModel(ScriptedModel([lambda call: Own()]), tracing)
    assert (await model.chat("gpt", QUESTION)).content == "hi"
    assert names.INPUT_TOKENS not in recorded.span("chat gpt").attributes


def test_what_a_provider_has_beside_chat_can_be_reached(tracing):
    provider = ScriptedModel([])
    assert TracedModel(provider, tracing).calls is provider.calls
