"""What the reader of a stream is told."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import pytest
from pydantic_ai import Agent, ModelRetry, ThinkingPart
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from civitas import wrap
from civitas.demo.model_server import ModelServer, ToolCall
from civitas.errors import HandlerFailed
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call


async def told(runtime: Any, name: str = "a", payload: Any = None) -> list[tuple[str, Any]]:
    async with aclosing(runtime.stream(name, payload or {"input": "hi"})) as stream:
        return [(each.type, each.payload) async for each in stream]


def look(number: int) -> str:
    """Look it up."""
    if number < 0:
        raise ModelRetry("below 0")
    return f"found {number}"


@pytest.mark.promise(id="SEM-1869")
async def test_tokens_come_as_the_model_streams_them_and_tools_before_and_after() -> None:
    says = Says([[call("look", "c1", number=1)], "one two"], streams=True)
    async with running(wrap(says.agent(tools=[look]), name="x")) as runtime:
        chunks = await told(runtime, "x")
    called = {"name": "look", "arguments": {"number": 1}}
    assert chunks == [
        ("step", {"name": "a"}),
        ("tool", called),
        ("tool", {**called, "result": "found 1"}),
        ("token", {"text": "one "}),
        ("token", {"text": "two "}),
        ("reply", {"output": "one two "}),
    ]


@pytest.mark.promise(id="SEM-1869")
async def test_a_model_that_cannot_stream_is_heard_in_one_piece_and_thoughts_are_not() -> None:
    says = Says([[ThinkingPart("hm"), *Says.said("one two")]])
    async with running(wrap(says.agent(), name="x")) as runtime:
        assert await told(runtime, "x") == [
            ("step", {"name": "a"}),
            ("token", {"text": "one two"}),
            ("reply", {"output": "one two"}),
        ]


@pytest.mark.promise(id="SEM-1869")
async def test_a_tool_that_fails_is_done_with_a_text_that_says_so() -> None:
    def fail() -> str:
        raise KeyError("broken")

    says = Says(lambda messages: [call("look", "c1", number=-1), call("fail", "c2")])
    async with running(wrap(says.agent(tools=[look, fail]), name="a")) as runtime:
        results = {}
        with pytest.raises(HandlerFailed):
            async with aclosing(runtime.stream("a", {"input": "hi"})) as stream:
                async for each in stream:
                    if each.type == "tool" and "result" in each.payload:
                        results[each.payload["name"]] = each.payload["result"]
    assert results == {"look": "below 0", "fail": "KeyError: 'broken'"}


@pytest.mark.promise(id="SEM-1871")
@pytest.mark.parametrize("durable", [False, True])
async def test_the_users_own_capabilities_hear_and_change_what_they_did(durable: bool) -> None:
    heard: list[str] = []

    class Own(AbstractCapability[Any]):
        async def on_event(self, ctx: Any, *, event: Any) -> None:
            heard.append(event.event_kind)

        async def after_tool_execute(self, ctx: Any, *, result: Any, **named: Any) -> Any:
            return f"{result}, changed"

    says = Says([[call("look", "c1", number=1)], "one two"], streams=True)
    agent = says.agent(tools=[look], capabilities=[Own()])
    async with running(wrap(agent, name="x", durable=durable)) as runtime:
        reply = await runtime.ask("x", {"input": "hi"})
    assert says.texts[-1][-1] == "found 1, changed"
    assert reply.payload == {"output": "one two"}
    assert {"part_start", "function_tool_call", "function_tool_result"} <= set(heard)


@pytest.mark.promise(id="SEM-1869")
async def test_a_client_of_a_provider_streams_with_what_it_used() -> None:
    def script(body: Any) -> Any:
        done = body["messages"][-1]["role"] == "tool"
        return "one two three" if done else ToolCall("look", {"number": 1})

    with ModelServer(script) as server:
        provider = OpenAIProvider(base_url=server.url, api_key="x")
        agent = Agent(OpenAIChatModel("m1", provider=provider), name="a", tools=[look])
        keywords: Any = {"durable": True, "budget": {"tokens": 9999}}
        async with running(wrap(agent, name="x", **keywords)) as runtime:
            chunks = await told(runtime, "x")
            reply = await runtime.ask("x", {"input": "hi"})
            (budget,) = await runtime.budgets()
    texts = [payload["text"] for kind, payload in chunks if kind == "token"]
    assert (len(texts), "".join(texts)) == (3, "one two three")
    assert chunks[-1][1] == reply.payload == {"output": "one two three"}
    used = json.loads(reply.headers["civitas-usage"])
    assert used["requests"] == 2
    assert budget["used"]["tokens"] == 2 * used["total_tokens"]
