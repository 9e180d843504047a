"""What prompts, answers, questions and failures look like to callers of the Synadia Agent Protocol."""

from __future__ import annotations

import json

import pytest

from civitas.edge.nats_agents.prompting import meant
from civitas.edge.nats_agents.words import BadPrompt, Identity, NoAnswer, Prompt, PromptFailure
from civitas.edge.questions import question_of
from civitas.edge.texts import text_of
from civitas.errors import (
    AgentTerminated,
    HandlerFailed,
    MailboxFull,
    NodeDown,
    UnknownAgent,
    UnknownInterrupt,
)


def test_a_prompt_may_be_plain_text_or_an_envelope_with_fields_that_nobody_knows():
    assert Prompt.read("grüß dich".encode()).text == "grüß dich"
    prompt = Prompt.read(b' \n{"prompt": "hi", "conversation": "c", "later": 1}')
    assert (prompt.text, prompt.conversation, prompt.envelope["later"]) == ("hi", "c", 1)


def test_a_prompt_that_is_nested_without_end_is_none():
    with pytest.raises(BadPrompt, match="nor a JSON object"):
        Prompt.read(b'{"prompt": ' + 100_000 * b"[")


def test_only_the_headers_of_the_trace_go_along():
    headers = {"traceparent": "00-x", "Agent-Sender": "me", "Authorization": "secret"}
    assert Prompt.read(b"hi", headers).headers == {"traceparent": "00-x"}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (None, ""),
        ("as it is", "as it is"),
        ({"output": "said", "tasks": []}, "said"),
        ({"messages": [{"content": "no"}, {"type": "ai", "content": "yes"}]}, "yes"),
        ({"messages": [{"content": [{"type": "text", "text": "a"}, {"text": "b"}]}]}, "ab"),
        ({"n": 1}, '{"n": 1}'),
        ([1, "ä"], '[1, "ä"]'),
        (b"x", json.dumps("x")),
    ],
)
def test_the_text_of_a_payload_is_what_it_has_to_say(payload, text):
    assert text_of(payload) == text


APPROVAL = {"id": "q", "value": {"name": "pay", "arguments": {"n": 1}}}


@pytest.mark.parametrize(
    ("interrupt", "said", "answer"),
    [
        (APPROVAL, b"Yes.", True),
        (APPROVAL, b"deny", False),
        (APPROVAL, b"too much", {"approve": False, "message": "too much"}),
        ({"id": "q", "value": {"draft": "text"}}, b"yes", "yes"),
        ({"id": "q", "value": "sure?"}, b"7", "7"),
        ({"id": "q", "value": "n?", "response_schema": {"type": "integer"}}, b"7", 7),
        ({"id": "q", "value": "n?", "response_schema": {"type": "string"}}, b"seven", "seven"),
        ({"id": "q", "value": "n?", "response_schema": {}}, 99_999 * b"[", 99_999 * "["),
        (APPROVAL, b'{"prompt": "x", "value": {"approve": true}}', {"approve": True}),
    ],
)
def test_the_words_of_a_human_are_what_the_agent_waits_for(interrupt, said, answer):
    assert meant(interrupt, Prompt.read(said)) == answer


@pytest.mark.parametrize(
    ("value", "question"),
    [
        (
            {"name": "pay", "arguments": {"n": 1}},
            """May the tool 'pay' be called with {"n": 1}? (yes/no)""",
        ),
        ({"draft": "as it stands"}, "as it stands"),
        ("sure?", "sure?"),
        ({"n": 1}, '{"n": 1}'),
        (None, "?"),
    ],
)
def test_a_question_is_text(value, question):
    assert question_of({"id": "q", "value": value}) == question


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (UnknownAgent("a", []), 404, "unknown_agent"),
        (MailboxFull("a", 5, 1.0), 429, "mailbox_full"),
        (AgentTerminated("a"), 409, "agent_terminated"),
        (UnknownInterrupt("a", "no such"), 409, "unknown_interrupt"),
        (HandlerFailed("a", "ValueError", "no\r\nsecond line"), 500, "agent_failed"),
        (NodeDown("a", "worker"), 500, "agent_failed"),
        (NoAnswer("it was not answered"), 409, "no_answer"),
        (ZeroDivisionError("a secret"), 500, "internal_error"),
    ],
)
def test_a_failure_is_a_code_a_word_and_one_line(error, code, word):
    failure = PromptFailure.of(error)
    assert (failure.code, json.loads(failure.body())["error"]) == (code, word)
    line = failure.headers()["Nats-Service-Error"]
    assert "\n" not in line
    assert "secret" not in line


def test_no_two_agents_have_one_subject():
    one, other = (Identity.of("civitas", "s", name).subject("prompt") for name in ("a.b", "a=2Eb"))
    assert one == "agents.prompt.civitas.s.a=2Eb"
    assert other != one
