"""What was said to models and tools, as attributes of spans."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from civitas.telemetry import Tracing, names
from civitas.telemetry.content import Content, captures
from tests.core.telemetry.support import Recorded

SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def told(text: str | None) -> Any:
    assert text is not None
    return json.loads(text)


@pytest.mark.promise(id="SEM-1709")
@pytest.mark.parametrize(
    ("value", "on"),
    [
        ("", False),
        ("NO_CONTENT", False),
        ("false", False),
        ("EVENT_ONLY", False),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("true", True),
    ],
)
def test_only_the_standard_switch_lets_content_into_spans(
    monkeypatch: pytest.MonkeyPatch, value: str, on: bool
) -> None:
    Recorded(monkeypatch)
    monkeypatch.setenv(SWITCH, value)
    tracing = Tracing()
    tracing.refresh()
    assert captures() is on
    assert (tracing.content is not None) is on


def test_messages_have_the_shape_of_the_conventions() -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": '{"q": "x"}'}}
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ]
    assert told(Content().messages(names.INPUT_MESSAGES, messages)) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
        {
            "role": "user",
            "parts": [{"type": "text", "content": "hi"}, {"type": "image_url"}],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"q": "x"}}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}],
        },
    ]


def test_items_of_the_responses_api_are_messages_too() -> None:
    items = [
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
    ]
    parts = [each["parts"][0] for each in told(Content().messages("a", items))]
    assert [(each["type"], each["id"]) for each in parts] == [
        ("tool_call", "c1"),
        ("tool_call_response", "c1"),
    ]


def test_an_answer_says_why_the_model_stopped() -> None:
    assert told(Content().answer(names.OUTPUT_MESSAGES, "hello", (), "length")) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "hello"}],
            "finish_reason": "length",
        }
    ]


@pytest.mark.promise(id="SEM-1709")
def test_long_texts_are_cut_and_the_oldest_messages_left_out() -> None:
    messages = [{"role": "user", "content": f"{n} " + "x" * 10_000} for n in range(100)]
    text = Content().messages("a", messages)
    assert text is not None
    assert len(text) <= 32_768
    kept = [each["parts"][0]["content"] for each in json.loads(text)]
    assert kept[-1].startswith("99 x")
    assert all(len(each) == 4097 and each.endswith("…") for each in kept)


@pytest.mark.promise(id="SEM-1709")
def test_a_single_value_that_is_too_long_is_cut_and_still_json() -> None:
    text = Content().value("a", {str(n): "x" * 1000 for n in range(1000)})
    assert text is not None
    assert len(text) <= 32_768
    assert json.loads(text).endswith("…")


@pytest.mark.promise(id="SEM-1709")
def test_what_is_redacted_is_recorded_as_it_was_changed() -> None:
    def redact(attribute: str, content: Any) -> Any:
        assert attribute == "gen_ai.tool.call.arguments"
        return {key: "***" if key == "password" else value for key, value in content.items()}

    given = {"user": "ann", "password": "secret"}
    text = Content(redact).value(names.TOOL_ARGUMENTS, given)
    assert told(text) == {"user": "ann", "password": "***"}
    assert given["password"] == "secret"


@pytest.mark.promise(id="SEM-1709")
def test_what_is_redacted_is_whole_and_cut_only_later() -> None:
    secret = "sk-" + "0" * 40

    def redact(attribute: str, content: Any) -> Any:
        return content.replace(secret, "***")

    text = Content(redact).value("a", "x" * 4080 + secret)
    assert told(text) == "x" * 4080 + "***"


@pytest.mark.promise(id="SEM-1709")
def test_where_redacting_fails_nothing_is_recorded_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def redact(attribute: str, content: Any) -> Any:
        raise KeyError("no")

    content = Content(redact)
    with caplog.at_level(logging.ERROR):
        assert content.value("a", {"password": "secret"}) is None
        assert content.messages("a", "secret") is None
    assert [record.message for record in caplog.records] == [
        "civitas_redact raised an error: what it was asked about is not recorded"
    ]


def test_what_is_no_plain_data_is_told_by_its_text() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert told(Content().value("a", {"b": Odd(), "c": b"xyz", "d": {1}})) == {
        "b": "odd",
        "c": "3 bytes",
        "d": [1],
    }
    assert "…" in str(told(Content().value("a", deep)))
