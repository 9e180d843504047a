"""What the reader of a run's stream hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, Usage, function_tool
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionWebSearch,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)
from openai.types.responses.response_function_web_search import ActionSearch

from civitas.demo.model_server import Failure, ToolCall
from civitas.errors import HandlerFailed
from civitas.runtime import Runtime
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import running


async def hear(runtime: Runtime, payload: Any, **keywords: Any) -> list[tuple[str, Any]]:
    async with aclosing(runtime.stream("o", payload, **keywords)) as stream:
        return [(each.type, each.payload) async for each in stream]


@function_tool
async def look(q: str) -> dict[str, int]:
    """Look it up."""
    return {"found": 3}


class Words(Model):
    """Says so many words, each when the last was taken."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.said = 0
        self.closed = asyncio.Event()

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise AssertionError("the run is read as a stream")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            for n in range(self.count):
                self.said = n + 1
                yield ResponseTextDeltaEvent(
                    content_index=0,
                    delta="word ",
                    item_id="m",
                    logprobs=[],
                    output_index=0,
                    sequence_number=n,
                    type="response.output_text.delta",
                )
            yield ResponseCompletedEvent(
                type="response.completed", sequence_number=0, response=said("word " * self.count)
            )
        finally:
            self.closed.set()


class Silent(Model):
    """Has no streams."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return ModelResponse(said("all at once").output, Usage(), None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def said(text: str) -> Response:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    message = ResponseOutputMessage(
        id="m", content=[part], role="assistant", status="completed", type="message"
    )
    return Response(
        id="r",
        created_at=0,
        model="m1",
        object="response",
        output=[message],
        parallel_tool_calls=False,
        tool_choice="auto",
        tools=[],
    )


async def test_agents_tools_and_tokens_come_in_order_and_the_reply_last(scripted):
    def script(body: dict[str, Any]) -> Any:
        if "look" not in [each["function"]["name"] for each in body.get("tools", [])]:
            return "it is three"
        if body["messages"][-1]["role"] == "tool":
            return ToolCall("transfer_to_expert")
        return ToolCall("look", {"q": "it"})

    model = scripted(script)
    expert = Agent(name="expert", model=model)
    clerk = Agent(name="clerk", model=model, tools=[look], handoffs=[expert])
    async with running(OpenAIAgent("o", agent=clerk)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    tokens = [payload["text"] for kind, payload in heard if kind == "token"]
    assert len(tokens) > 1
    assert "".join(tokens) == "it is three"
    assert [each for each in heard if each[0] != "token"] == [
        ("step", {"name": "clerk"}),
        ("tool", {"name": "look", "arguments": {"q": "it"}}),
        ("tool", {"name": "look", "arguments": {"q": "it"}, "result": {"found": 3}}),
        ("step", {"name": "expert"}),
        ("reply", {"output": "it is three"}),
    ]


async def test_a_model_without_streams_is_heard_in_one_piece(scripted):
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=Silent()))) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    assert heard == [
        ("step", {"name": "a"}),
        ("token", {"text": "all at once"}),
        ("reply", {"output": "all at once"}),
    ]


async def test_an_agent_that_is_a_tool_is_heard_as_a_tool(scripted):
    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return "done" if last["role"] == "tool" else ToolCall("ask_expert", {"input": "x"})

    expert = Agent(name="expert", model=scripted(["inner words"]))
    agent = Agent(name="a", model=scripted(script), tools=[expert.as_tool("ask_expert", "Ask.")])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    assert [kind for kind, _ in heard if kind != "token"] == ["step", "tool", "tool", "reply"]
    assert "".join(each["text"] for kind, each in heard if kind == "token") == "done"
    assert heard[2][1]["result"] == "inner words"


async def test_an_interrupt_ends_the_stream_and_its_answer_can_be_streamed(scripted):
    @function_tool(needs_approval=True)
    async def delete(path: str) -> str:
        """Delete a file."""
        return f"deleted {path}"

    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return last["content"] if last["role"] == "tool" else ToolCall("delete", {"path": "x"})

    agent = Agent(name="a", model=scripted(script), tools=[delete])
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        heard = await hear(runtime, {"input": "hi"}, conversation="c")
        assert [kind for kind, _ in heard] == ["step", "interrupt"]
        heard = await hear(runtime, {"value": True}, message_type="resume", conversation="c")
    called = {"name": "delete", "arguments": {"path": "x"}}
    told = [each for each in heard if each[0] != "token"]
    assert told == [
        ("step", {"name": "a"}),
        ("tool", called),
        ("tool", {**called, "result": "deleted x"}),
        ("reply", {"output": "deleted x"}),
    ]


async def test_a_reader_that_leaves_ends_the_models_call(scripted):
    model = Words(100_000)
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=model))) as runtime:
        async with aclosing(runtime.stream("o", {"input": "hi"})) as stream:
            while (await anext(stream)).type != "token":
                pass
        await asyncio.wait_for(model.closed.wait(), 5)
    assert model.said < 100_000


async def test_a_slow_reader_slows_the_model(scripted):
    model = Words(1000)
    async with running(OpenAIAgent("o", agent=Agent(name="a", model=model))) as runtime:
        async with aclosing(runtime.stream("o", {"input": "hi"})) as stream:
            taken = 0
            async for _ in stream:
                taken += 1
                for _ in range(20):
                    await asyncio.sleep(0)
                assert model.said <= taken + 102
        assert taken == 1002


async def test_what_fails_in_the_middle_is_the_end_of_the_stream(scripted):
    agent = Agent(name="a", model=scripted([Failure(400, "no")]))
    async with running(OpenAIAgent("o", agent=agent)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await hear(runtime, {"input": "hi"})
    assert failed.value.error_type == "BadRequestError"


async def test_a_conversation_is_kept_of_what_was_streamed(scripted):
    heard: list[int] = []

    def script(body: dict[str, Any]) -> str:
        heard.append(len(body["messages"]))
        return "hello"

    async with running(OpenAIAgent("o", agent=Agent(name="a", model=scripted(script)))) as runtime:
        await hear(runtime, {"input": "hi"}, conversation="c")
        await hear(runtime, {"input": "again"}, conversation="c")
    assert heard == [1, 3]


async def test_a_search_that_the_provider_makes_itself_is_heard_as_a_tool(scripted):
    class Searches(Model):
        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            action = ActionSearch(type="search", query="otters")
            search = ResponseFunctionWebSearch(
                id="ws", action=action, status="completed", type="web_search_call"
            )
            return ModelResponse([search, *said("found").output], Usage(), None)

        def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    async with running(OpenAIAgent("o", agent=Agent(name="a", model=Searches()))) as runtime:
        heard = await hear(runtime, {"input": "hi"})
    called = {"name": "web_search", "arguments": {"type": "search", "query": "otters"}}
    assert [each for kind, each in heard if kind == "tool"] == [called, {**called, "result": None}]
