"""The provider, against a scripted server on loopback."""

from __future__ import annotations

import pytest
from civitas_completions import ChatCompletions, ModelError

import civitas
from civitas import ConfigurationError
from civitas.demo.model_server import Failure, ModelServer, ToolCall

HELLO = [{"role": "user", "content": "hello"}]


@civitas.tool
async def weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


async def test_the_model_answers_and_says_how_many_tokens_it_took() -> None:
    with ModelServer(["good morning"]) as server:
        answer = await ChatCompletions(server.url).chat("small", HELLO)
    assert (answer.content, answer.model, answer.tool_calls) == ("good morning", "small", [])
    assert answer.tokens_in > 0
    assert answer.tokens_out > 0


async def test_the_model_is_offered_tools_and_told_what_they_answered() -> None:
    with ModelServer([ToolCall("weather", {"city": "Bonn"}), "go out"]) as server:
        provider = ChatCompletions(server.url)
        first = await provider.chat("small", HELLO, [weather])
        (call,) = first.tool_calls
        asked = {"role": "assistant", "content": "", "tool_calls": first.tool_calls}
        told = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
        second = await provider.chat("small", [*HELLO, asked, told], [weather])
    assert (call["name"], call["arguments"], second.content) == (
        "weather",
        {"city": "Bonn"},
        "go out",
    )
    assert server.requests[0]["tools"][0]["function"]["name"] == "weather"
    (repeated,) = server.requests[1]["messages"][1]["tool_calls"]
    assert repeated["function"] == {"name": "weather", "arguments": '{"city": "Bonn"}'}


async def test_a_server_that_refuses_is_quoted() -> None:
    with (
        ModelServer([Failure(429, "too many questions")]) as server,
        pytest.raises(ModelError, match=r"answered 429: .*too many questions"),
    ):
        await ChatCompletions(server.url).chat("small", HELLO)


async def test_a_server_that_is_not_there_is_named() -> None:
    with ModelServer([]) as server:
        gone = server.url
    with pytest.raises(ModelError, match=f"{gone}/chat/completions does not answer"):
        await ChatCompletions(gone).chat("small", HELLO)


def test_a_base_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="base_url begins with"):
        ChatCompletions("localhost/v1")
