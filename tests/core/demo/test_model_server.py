"""The scripted model, over plain HTTP."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from civitas.demo.model_server import Failure, ModelServer, ToolCall
from civitas.demo.scripted_openai import scripted_openai


def post(server: ModelServer, path: str = "/chat/completions", **body: Any) -> bytes:
    data = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **body})
    with urllib.request.urlopen(server.url + path, data.encode(), timeout=5) as response:
        return response.read()


def refusal(server: ModelServer, path: str = "/chat/completions") -> tuple[int, str, Any]:
    """Status, body and headers of an answer that is an error."""
    with pytest.raises(HTTPError) as failed:
        post(server, path)
    with failed.value as error:
        return error.code, error.read().decode(), error.headers


def choice(answer: bytes) -> dict[str, Any]:
    return json.loads(answer)["choices"][0]


def deltas(answer: bytes) -> list[dict[str, Any]]:
    *events, done = answer.decode().strip().split("\n\n")
    assert done == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


def test_answers_come_one_after_the_other():
    with ModelServer(["one", "two"]) as server:
        assert choice(post(server))["message"]["content"] == "one"
        assert choice(post(server))["message"]["content"] == "two"
        assert server.count == 2


def test_a_script_that_is_over_says_so():
    with ModelServer([]) as server:
        status, body, _ = refusal(server)
    assert status == 400
    assert "no more answers" in body


def test_a_function_answers_what_it_is_asked():
    with ModelServer(lambda body: body["messages"][-1]["content"].upper()) as server:
        assert choice(post(server))["message"]["content"] == "HI"


def test_a_tool_call_has_its_arguments_as_json():
    with ModelServer([ToolCall("search", {"words": "otters"})]) as server:
        answer = choice(post(server))
    call = answer["message"]["tool_calls"][0]["function"]
    assert answer["finish_reason"] == "tool_calls"
    assert (call["name"], json.loads(call["arguments"])) == ("search", {"words": "otters"})


def test_tokens_are_counted():
    with ModelServer(["one two"]) as server:
        usage = json.loads(post(server))["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_text_is_streamed_word_by_word():
    with ModelServer(["one two three"]) as server:
        words = [delta.get("content") for delta in deltas(post(server, stream=True))]
    assert [word for word in words if word] == ["one", " two", " three"]


def test_tool_calls_are_streamed():
    with ModelServer([[ToolCall("a"), ToolCall("b")]]) as server:
        calls = [
            call
            for delta in deltas(post(server, stream=True))
            for call in delta.get("tool_calls", [])
        ]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "a"), (1, "b")]


def test_the_responses_api_is_served_too():
    with ModelServer(["one", ToolCall("a", {"q": 1})]) as server:
        (said,) = json.loads(post(server, "/responses"))["output"]
        (call,) = json.loads(post(server, "/responses"))["output"]
    assert said["content"][0]["text"] == "one"
    assert (call["name"], json.loads(call["arguments"])) == ("a", {"q": 1})


def test_the_responses_api_streams_words_and_calls():
    with ModelServer([ToolCall("a", {"q": 1}), "one two"]) as server:
        calling, saying = (post(server, "/responses", stream=True).decode() for _ in range(2))
    events = [
        [json.loads(each.split("data: ")[1]) for each in answer.strip().split("\n\n")]
        for answer in (calling, saying)
    ]
    assert [each["delta"] for each in events[1] if each["type"].endswith("text.delta")] == [
        "one",
        " two",
    ]
    assert [
        json.loads(each["delta"]) for each in events[0] if "arguments.delta" in each["type"]
    ] == [{"q": 1}]
    for each in events:
        assert [event["sequence_number"] for event in each] == list(range(len(each)))
        assert each[-1]["type"] == "response.completed"
    assert calling.startswith("event: response.created\n")


def test_a_failure_has_its_status_and_says_when_to_come_back():
    with ModelServer([Failure(429, "slow down", retry_after=2)]) as server:
        status, body, headers = refusal(server)
    assert (status, headers["Retry-After"]) == (429, "2")
    assert "slow down" in body


def test_other_paths_are_refused():
    with ModelServer(["one"]) as server:
        status, body, _ = refusal(server, "/embeddings")
    assert (status, server.count) == (404, 0)
    assert "/v1/embeddings is not served here" in body


def test_nothing_of_it_is_left_when_its_block_ends():
    before = set(threading.enumerate())
    with ModelServer(["one"]) as server:
        post(server)
        url = server.url
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)
    others = [each for each in threading.enumerate() if each not in before]
    for each in others:  # one that has just answered may be about to end
        each.join(5)
    assert not [each for each in others if each.is_alive()]


def test_it_has_no_address_outside_its_block():
    with pytest.raises(RuntimeError, match="with ModelServer"):
        _ = ModelServer([]).url


@pytest.mark.promise(id="SEM-1891")
def test_nobody_listens_while_it_is_away_and_then_it_is_where_it_was():
    with ModelServer(["one", "two"]) as server:
        assert choice(post(server))["message"]["content"] == "one"
        where = server.url
        with server.away(), pytest.raises(URLError, match="refused"):
            urllib.request.urlopen(where, b"{}", timeout=5)
        assert server.url == where
        assert choice(post(server))["message"]["content"] == "two"


@pytest.mark.promise(id="SEM-1891")
def test_the_environment_leads_to_the_scripted_model_for_as_long_as_it_is_there(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with scripted_openai(["one"]) as server:
        assert server is not None
        assert os.environ["OPENAI_BASE_URL"] == server.url
        assert os.environ["OPENAI_API_KEY"]
    assert "OPENAI_BASE_URL" not in os.environ
    assert "OPENAI_API_KEY" not in os.environ


@pytest.mark.promise(id="SEM-1891")
def test_an_environment_that_leads_to_a_real_model_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with scripted_openai(["one"]) as server:
        assert server is None
        assert os.environ["OPENAI_BASE_URL"] == "http://127.0.0.1:1/v1"
