"""Spans of messages, models and tools, through a real SDK provider."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from civitas.message import Message
from civitas.telemetry import Tracing, names
from tests.core.telemetry.support import Recorded


@pytest.fixture
def recorded(monkeypatch):
    return Recorded(monkeypatch)


@pytest.fixture
def tracing(recorded):
    tracing = Tracing()
    tracing.refresh()
    return tracing


def message(**fields) -> Message:
    return Message(type="question", recipient="agent", payload={"secret": "prompt"}, **fields)


# Off.


def test_without_a_provider_nothing_is_active_and_nothing_imported():
    script = (
        "import sys, civitas\n"
        "from civitas.telemetry import Tracing\n"
        "tracing = Tracing(); tracing.refresh()\n"
        "assert not tracing.active and not tracing.metrics.active\n"
        "loaded = [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_api_without_a_provider_is_not_active(monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracing = Tracing()
    tracing.refresh()
    assert not tracing.active


def test_a_no_op_provider_is_not_active(monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    tracing = Tracing()
    tracing.refresh()
    assert not tracing.active


def test_a_provider_that_the_environment_switched_off_is_not_active(monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    Recorded(monkeypatch)
    tracing = Tracing()
    tracing.refresh()
    assert not tracing.active


@pytest.mark.promise(id="SEM-124")
def test_spans_made_by_hand_work_without_a_provider(monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracing = Tracing()
    tracing.refresh()
    with tracing.llm_span("gpt", temperature=0.5) as span:
        span.set_attribute("any", 1)
    with tracing.tool_span("search"), tracing.agent_span("a"), tracing.workflow_span("w"):
        assert get_current_span() is trace.INVALID_SPAN


def test_refresh_notices_a_provider_that_was_taken_away(tracing, monkeypatch):
    assert tracing.active
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracing.refresh()
    assert not tracing.active


# Messages.


def test_a_message_is_a_producer_span_and_a_consumer_span_below_it(tracing, recorded):
    sending = tracing.start_send("agent", "question", "id-1", None)
    with tracing.process(message(id="id-1", headers=tracing.inject(sending)), "agent"):
        pass
    sending.end()
    send, process = recorded.span("send agent"), recorded.span("process agent")
    assert send.kind is SpanKind.PRODUCER
    assert process.kind is SpanKind.CONSUMER
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert process.context.trace_id == send.context.trace_id
    for span, operation in ((send, "send"), (process, "process")):
        assert span.attributes is not None
        assert span.attributes[names.MESSAGING_SYSTEM] == "civitas"
        assert span.attributes[names.OPERATION_TYPE] == operation
        assert span.attributes[names.DESTINATION] == "agent"
        assert span.attributes[names.MESSAGE_ID] == "id-1"
        assert span.attributes[names.MESSAGE_TYPE] == "question"
        assert names.CONVERSATION not in span.attributes


def test_the_conversation_and_a_repeated_attempt_are_attributes(tracing, recorded):
    tracing.start_send("agent", "question", "id", "user-42").end()
    with tracing.process(message(conversation="user-42", attempt=2), "agent"):
        pass
    assert recorded.span("send agent").attributes[names.CONVERSATION] == "user-42"
    attributes = recorded.span("process agent").attributes
    assert attributes[names.CONVERSATION] == "user-42"
    assert attributes[names.MESSAGE_ATTEMPT] == 2


def test_a_send_is_a_child_of_the_span_around_it(tracing, recorded):
    with recorded.provider.get_tracer("app").start_as_current_span("request"):
        tracing.start_send("agent", "question", "id", None).end()
    assert recorded.span("send agent").parent.span_id == recorded.span("request").context.span_id


def test_the_consumer_span_is_current_inside_and_not_after(tracing):
    before = get_current_span()
    with tracing.process(message(), "agent") as span:
        assert get_current_span() is span
    assert get_current_span() is before


def test_what_was_current_in_the_agents_task_is_not_the_parent_of_a_message(tracing, recorded):
    with (
        recorded.provider.get_tracer("app").start_as_current_span("starting"),
        tracing.process(message(), "agent"),
    ):
        pass
    assert recorded.span("process agent").parent is None


def test_headers_carry_w3c_trace_context_and_baggage(tracing):
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        span = tracing.start_send("agent", "question", "id", None)
        headers = tracing.inject(span)
    finally:
        context.detach(token)
    span.end()
    trace_id, span_id = span.get_span_context().trace_id, span.get_span_context().span_id
    assert f"-{trace_id:032x}-{span_id:016x}-" in headers["traceparent"]
    assert headers["baggage"] == "tenant=acme"
    with tracing.process(message(headers=headers), "agent"):
        assert baggage.get_baggage("tenant") == "acme"


async def test_concurrent_handlers_have_each_their_own_current_span(tracing, recorded):
    async def handle(name: str) -> None:
        with tracing.process(message(), name) as span:
            for _ in range(3):
                await asyncio.sleep(0)
                assert get_current_span() is span
            with tracing.tool_span(name):
                await asyncio.sleep(0)

    await asyncio.gather(*(handle(f"agent-{n}") for n in range(5)))
    for n in range(5):
        tool, process = (
            recorded.span(f"execute_tool agent-{n}"),
            recorded.span(f"process agent-{n}"),
        )
        assert tool.parent.span_id == process.context.span_id


def test_a_message_that_is_not_sampled_leaves_nothing_below_it(monkeypatch):
    recorded = Recorded(monkeypatch, ParentBased(ALWAYS_OFF))
    tracing = Tracing()
    tracing.refresh()
    assert tracing.active
    sending = tracing.start_send("agent", "question", "id", None)
    headers = tracing.inject(sending)
    assert headers["traceparent"].split("-")[3] in {"00", "02"}
    with tracing.process(message(headers=headers), "agent") as span:
        tracing.fail(span, ValueError("boom"))
        tracing.event(span, names.EVENT_CRASH)
        with tracing.llm_span("gpt"):
            pass
    sending.end()
    assert recorded.spans == []


def test_sending_is_the_span_of_a_message_on_its_way(tracing, recorded):
    with tracing.sending(message(id="id-1", headers={"mine": "kept"})) as sent:
        assert sent.id == "id-1"
        assert sent.headers["mine"] == "kept"
        with tracing.process(sent, "agent"):
            pass
    send, process = recorded.span("send agent"), recorded.span("process agent")
    assert process.parent.span_id == send.context.span_id
    assert send.end_time >= process.end_time


def test_a_message_that_did_not_get_through_marks_the_span_of_its_way(tracing, recorded):
    with pytest.raises(TimeoutError), tracing.sending(message()):
        raise TimeoutError("nobody answered")
    assert recorded.span("send agent").status.description == "TimeoutError: nobody answered"


# Failures and events.


def test_a_failure_marks_the_span_and_records_the_exception(tracing, recorded):
    with tracing.process(message(), "agent") as span:
        tracing.fail(span, ValueError("no such city"))
    process = recorded.span("process agent")
    assert process.status.status_code is StatusCode.ERROR
    assert process.status.description == "ValueError: no such city"
    assert process.attributes[names.ERROR_TYPE] == "ValueError"
    assert [event.name for event in process.events] == ["exception"]


def test_an_exception_that_passes_through_process_is_not_judged_by_it(tracing, recorded):
    with pytest.raises(asyncio.CancelledError), tracing.process(message(), "agent"):
        raise asyncio.CancelledError
    assert recorded.span("process agent").status.status_code is StatusCode.UNSET
    assert not get_current_span().is_recording()


def test_an_event_belongs_to_the_running_span(tracing, recorded):
    with tracing.process(message(), "agent") as span:
        tracing.event(span, names.EVENT_CRASH, {names.AGENT_NAME: "agent"})
        tracing.event(None, names.EVENT_DEAD_LETTER, {names.DEAD_LETTER_REASON: "crashed"})
    assert [event.name for event in recorded.span("process agent").events] == [
        names.EVENT_CRASH,
        names.EVENT_DEAD_LETTER,
    ]


def test_what_happens_after_the_span_is_a_short_span_below_it(tracing, recorded):
    with tracing.process(message(), "agent") as span:
        pass
    began = span.end_time
    tracing.event(span, names.EVENT_RESTART, {names.AGENT_NAME: "agent"}, since=began)
    restart = recorded.span("restart agent")
    assert restart.parent.span_id == span.get_span_context().span_id
    assert restart.start_time == began
    assert restart.end_time >= restart.start_time
    assert [event.name for event in restart.events] == [names.EVENT_RESTART]


def test_a_messages_headers_are_enough_to_join_its_trace(tracing, recorded):
    sending = tracing.start_send("agent", "question", "id", None)
    headers = tracing.inject(sending)
    sending.end()
    tracing.event(headers, names.EVENT_DEAD_LETTER, {names.DESTINATION: "agent"})
    letter = recorded.span("dead_letter agent")
    assert letter.parent.span_id == sending.get_span_context().span_id


# Models, tools, frameworks.


@pytest.mark.promise(id="SEM-124")
def test_a_model_call_is_a_chat_span_with_genai_attributes(tracing, recorded):
    with tracing.llm_span("gpt-4o", **{names.INPUT_TOKENS: 12, "gen_ai.provider.name": None}):
        pass
    span = recorded.span("chat gpt-4o")
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes) == {
        names.GEN_AI_OPERATION: "chat",
        names.REQUEST_MODEL: "gpt-4o",
        names.PROVIDER: "_OTHER",
        names.INPUT_TOKENS: 12,
    }


@pytest.mark.parametrize(
    ("method", "name", "operation", "attribute"),
    [
        ("tool_span", "execute_tool search", "execute_tool", names.TOOL_NAME),
        ("agent_span", "invoke_agent search", "invoke_agent", names.AGENT_NAME),
        ("workflow_span", "invoke_workflow search", "invoke_workflow", names.WORKFLOW_NAME),
        ("workflow_span", "invoke_workflow search", "invoke_workflow", names.AGENT_NAME),
    ],
)
def test_tools_agents_and_workflows_have_spans_of_their_own(
    tracing, recorded, method, name, operation, attribute
):
    with getattr(tracing, method)("search"):
        pass
    attributes = recorded.span(name).attributes
    assert attributes[names.GEN_AI_OPERATION] == operation
    assert attributes[attribute] == "search"


def test_an_exception_in_a_call_marks_its_span_and_goes_on(tracing, recorded):
    with pytest.raises(ConnectionError), tracing.tool_span("search"):
        raise ConnectionError("index is gone")
    span = recorded.span("execute_tool search")
    assert span.status.description == "ConnectionError: index is gone"
    assert not get_current_span().is_recording()


def test_a_cancelled_call_did_not_fail(tracing, recorded):
    with pytest.raises(asyncio.CancelledError), tracing.llm_span("gpt"):
        raise asyncio.CancelledError
    assert recorded.span("chat gpt").status.status_code is StatusCode.UNSET


def test_a_reserved_name_can_be_used_as_an_attribute(tracing, recorded):
    with tracing.llm_span("gpt", name="x", model_version="y"):
        pass
    assert recorded.span("chat gpt").attributes["name"] == "x"
