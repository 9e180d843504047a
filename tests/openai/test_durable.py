"""Durable runs: what is finished is not done again."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from agents import (
    Agent,
    Model,
    ModelProvider,
    ModelSettings,
    RunConfig,
    SQLiteSession,
    ToolOutputText,
    function_tool,
    handoff,
)
from pydantic import BaseModel

from civitas.demo.model_server import ToolCall
from civitas_openai import OpenAIAgent
from tests.core.frameworks.support import restarts, running, told_over_a_crash
from tests.openai.flaky_tools import ToolCalls, Tools


@pytest.mark.promise(id="SEM-967")
async def test_finished_calls_of_models_and_tools_are_not_made_again(scripted):
    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "done")
    tools = Tools()
    agent = Agent(name="a", model=scripted(calls), tools=tools.all)
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
        assert restarts(runtime) == 0
    assert tools.called == ["x", "flaky", "flaky"]
    assert len(calls.bodies) == 3
    assert [each["content"] for each in calls.bodies[-1]["messages"] if each["role"] == "tool"] == [
        "noted x",
        "recovered",
    ]


@pytest.mark.promise(id="SEM-1751")
async def test_a_run_tells_what_the_calls_cost_that_were_recorded_before_a_crash(scripted):
    killed: list[str] = []

    @function_tool
    async def deadly() -> str:
        """Kill the agent the first time."""
        killed.append("once")
        if len(killed) == 1:
            raise SystemExit("killed")
        return "survived"

    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("deadly"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[Tools().note, deadly])
    info = await told_over_a_crash(OpenAIAgent("o", agent=agent, durable=True), {"input": "hi"})
    assert info.usage is not None
    assert (info.deliveries, len(calls.bodies), info.usage["requests"]) == (2, 3, 3)
    assert info.usage["total_tokens"] > 0
    assert info.cost == pytest.approx(info.usage["total_tokens"])


async def test_the_idempotency_key_is_the_same_each_time(scripted):
    tools = Tools()
    agent = Agent(name="a", model=scripted(ToolCalls(ToolCall("flaky"), "done")), tools=tools.all)
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    first, second = tools.keys
    assert first == second


async def test_the_models_call_carries_the_key_beside_the_users_headers(scripted):
    heard: list[Any] = []
    inner = scripted(ToolCalls(ToolCall("note", {"text": "x"}), "done"))

    class Listening(Model):
        async def get_response(
            self,
            system_instructions: Any,
            input: Any,
            model_settings: ModelSettings,
            *a: Any,
            **k: Any,
        ) -> Any:
            heard.append(model_settings.extra_headers)
            return await inner.get_response(system_instructions, input, model_settings, *a, **k)

        def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    settings = ModelSettings(extra_headers={"X-Team": "ours"})
    agent = Agent(name="a", model=Listening(), model_settings=settings, tools=[Tools().note])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert [each["X-Team"] for each in heard] == ["ours", "ours"]
    assert len({each["Idempotency-Key"] for each in heard}) == 2
    assert settings.extra_headers == {"X-Team": "ours"}


async def test_what_an_agent_that_is_a_tool_finished_is_not_done_again(scripted):
    inner = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "inner done")
    outer = ToolCalls(ToolCall("ask_expert", {"input": "x"}), "done")
    tools = Tools()
    expert = Agent(name="expert", model=scripted(inner), tools=tools.all)
    tool = expert.as_tool("ask_expert", "Ask.", failure_error_function=None)
    agent = Agent(name="a", model=scripted(outer), tools=[tool])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
        assert restarts(runtime) == 0
    assert tools.called == ["x", "flaky", "flaky"]
    assert (len(outer.bodies), len(inner.bodies)) == (2, 3)
    assert outer.bodies[-1]["messages"][-1]["content"] == "inner done"


async def test_an_agent_that_is_a_tool_and_tells_of_itself_is_recorded_too(scripted):
    inner = ToolCalls(ToolCall("note", {"text": "x"}), "inner done")
    outer = ToolCalls(ToolCall("ask_expert", {"input": "x"}), ToolCall("flaky"), "done")
    tools, told = Tools(), []

    async def hear(event: Any) -> None:
        told.append(event["event"].type)

    expert = Agent(name="expert", model=scripted(inner), tools=tools.all)
    tool = expert.as_tool("ask_expert", "Ask.", on_stream=hear)
    agent = Agent(name="a", model=scripted(outer), tools=[tool, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
    assert tools.called == ["x", "flaky", "flaky"]
    assert (len(outer.bodies), len(inner.bodies)) == (3, 2)
    assert "raw_response_event" in told


async def test_agents_that_hand_over_in_circles_go_on_where_they_were(scripted):
    turns: list[str] = []

    def script(body: dict[str, Any]) -> Any:
        names = [each["function"]["name"] for each in body["tools"]]
        done = sum(each["role"] == "tool" for each in body["messages"])
        turns.append(f"{'a' if 'transfer_to_b' in names else 'b'}{done}")
        return [
            ToolCall("transfer_to_b"),
            ToolCall("transfer_to_a"),
            ToolCall("flaky"),
            "done",
        ][done]

    tools = Tools()
    model = scripted(script)
    a = Agent(name="a", model=model, tools=tools.all)
    b = Agent(name="b", model=model, tools=tools.all, handoffs=[handoff(a)])
    a.handoffs.append(b)
    async with running(OpenAIAgent("o", agent=a, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
    assert turns == ["a0", "b1", "a2", "a3"]
    assert a.handoffs == [b]


@pytest.mark.parametrize("streamed", [False, True])
async def test_models_that_a_provider_finds_by_name_are_watched_too(scripted, streamed):
    class Provider(ModelProvider):
        def __init__(self) -> None:
            self.asked: list[str | None] = []

        def get_model(self, model_name: str | None) -> Model:
            self.asked.append(model_name)
            return model

    tools = Tools()
    calls = ToolCalls(ToolCall("ask_expert", {"input": "x"}), ToolCall("flaky"), "done")
    inner: list[Any] = []

    def script(body: dict[str, Any]) -> Any:
        if body["messages"][0]["role"] != "system":
            return calls(body)
        inner.append(body)
        return "inner done"

    model, provider = scripted(script), Provider()
    expert = Agent(name="expert", model="big", instructions="You are the expert.")
    agent = Agent(
        name="a", model="small", tools=[expert.as_tool("ask_expert", "Ask."), tools.flaky]
    )
    config = RunConfig(model_provider=provider)
    async with running(OpenAIAgent("o", agent=agent, run_config=config, durable=True)) as runtime:
        if streamed:
            async with aclosing(runtime.stream("o", {"input": "hi"})) as stream:
                heard = [each async for each in stream]
            assert heard[-1].payload == {"output": "done"}
        else:
            assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
    assert set(provider.asked) == {"small", "big"}
    assert config.model_provider is provider
    assert tools.called == ["flaky", "flaky"]
    assert (len(calls.bodies), len(inner)) == (3, 1)


async def test_tools_that_are_called_together_are_each_recorded(scripted):
    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return "; ".join(each["content"] for each in body["messages"] if each["role"] == "tool")
        return [ToolCall("note", {"text": "x"}), ToolCall("flaky"), ToolCall("note", {"text": "y"})]

    tools = Tools()
    agent = Agent(name="a", model=scripted(script), tools=tools.all)
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": "noted x; recovered; noted y"}
    assert tools.called.count("flaky") == 2
    assert tools.called.count("x") <= 2


class Weather(BaseModel):
    city: str
    degrees: int


async def test_a_recorded_result_reads_as_the_first_one_did(scripted):
    made: list[int] = []

    @function_tool
    async def weather() -> Weather:
        """Say how it is."""
        made.append(1)
        return Weather(city="Oslo", degrees=3)

    @function_tool
    async def text() -> ToolOutputText:
        """Say it."""
        return ToolOutputText(text="as text")

    tools = Tools()
    calls = ToolCalls(ToolCall("weather"), ToolCall("text"), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[weather, text, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert made == [1]
    before, after = calls.bodies[2]["messages"], calls.bodies[3]["messages"]
    assert before == after[: len(before)]


async def test_a_recorded_result_that_is_the_output_arrives_as_it_did(scripted):
    class Failing(OpenAIAgent):
        failed = False

        async def run_framework(self, run: Any) -> Any:
            result = await super().run_framework(run)
            if not Failing.failed:
                Failing.failed = True
                raise RuntimeError("once")
            return result

    made: list[int] = []

    @function_tool
    async def weather() -> Weather:
        """Say how it is."""
        made.append(1)
        return Weather(city="Oslo", degrees=3)

    agent = Agent(
        name="a",
        model=scripted([ToolCall("weather")]),
        tools=[weather],
        tool_use_behavior="stop_on_first_tool",
    )
    async with running(Failing("o", agent=agent, durable=True)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": "city='Oslo' degrees=3"}
    assert made == [1]


async def test_what_a_failing_tool_told_the_model_is_recorded_too(scripted):
    failed: list[int] = []

    @function_tool
    async def fail() -> str:
        """Fail."""
        failed.append(1)
        raise ValueError("no")

    tools = Tools()
    calls = ToolCalls(ToolCall("fail"), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[fail, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert failed == [1]


async def test_the_users_own_session_holds_each_item_once(scripted):
    session = SQLiteSession("s")
    tools = Tools()
    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=tools.all)
    async with running(OpenAIAgent("o", agent=agent, session=session, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    items = await session.get_items()
    session.close()
    call = ["function_call", "function_call_output"]
    kinds = [each.get("type", each.get("role")) for each in items]
    assert kinds == ["user", *call, *call, "message"]


async def test_a_conversation_holds_each_item_once(scripted):
    tools = Tools()
    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=tools.all)
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c")
        await runtime.ask("o", {"input": "again"}, conversation="c")
    roles = [each["role"] for each in calls.bodies[-1]["messages"]]
    assert roles == ["user", *["assistant", "tool"] * 2, "assistant", "user"]
