"""Durable runs: what is finished is not done again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from agents import (
    Agent,
    Model,
    ModelProvider,
    ModelSettings,
    RunConfig,
    Runner,
    SQLiteSession,
    ToolOutputText,
    function_tool,
    handoff,
)
from pydantic import BaseModel

from civitas.demo.model_server import Answer, ToolCall
from civitas.errors import HandlerFailed
from civitas.frameworks import idempotency_key
from civitas_openai import OpenAIAgent, handoff_to
from tests.core.frameworks.support import restarts, running


class ToolCalls:
    """A model's script, one answer for each number of tool results so far; notes how often it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> Answer:
        self.bodies.append(body)
        done = sum(each["role"] == "tool" for each in body["messages"])
        return self.answers[min(done, len(self.answers) - 1)]


class Tools:
    """Tools that note that they were called, one of which fails the first time."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.keys: list[str] = []

        @function_tool
        async def note(text: str) -> str:
            """Note it."""
            self.called.append(text)
            return f"noted {text}"

        @function_tool(failure_error_function=None)
        async def flaky() -> str:
            """Fail the first time."""
            self.called.append("flaky")
            self.keys.append(idempotency_key())
            if self.called.count("flaky") == 1:
                raise RuntimeError("gone")
            return "recovered"

        self.note, self.flaky = note, flaky
        self.all: list[Any] = [note, flaky]


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


@pytest.mark.promise(id="SEM-968")
async def test_a_stream_goes_on_without_repeating_a_chunk(scripted):
    tools = Tools()
    calls = ToolCalls(ToolCall("note", {"text": "x"}), ToolCall("flaky"), "all is done")
    agent = Agent(name="a", model=scripted(calls), tools=tools.all)
    async with (
        running(OpenAIAgent("o", agent=agent, durable=True)) as runtime,
        aclosing(runtime.stream("o", {"input": "hi"})) as stream,
    ):
        heard = [(each.type, each.payload) async for each in stream]
    note = {"name": "note", "arguments": {"text": "x"}}
    flaky = {"name": "flaky", "arguments": {}}
    assert [each for each in heard if each[0] != "token"] == [
        ("step", {"name": "a"}),
        ("tool", note),
        ("tool", {**note, "result": "noted x"}),
        ("tool", flaky),
        ("tool", {**flaky, "result": "recovered"}),
        ("reply", {"output": "all is done"}),
    ]
    assert "".join(each["text"] for kind, each in heard if kind == "token") == "all is done"


@pytest.mark.parametrize("needs_approval", ["always", "by its arguments"])
async def test_an_approved_tool_runs_once_in_a_durable_run(scripted, needs_approval):
    deleted: list[str] = []

    async def risky(context: Any, arguments: dict[str, Any], id: str) -> bool:
        return arguments["path"] != "safe"

    @function_tool(needs_approval=True if needs_approval == "always" else risky)
    async def delete(path: str) -> str:
        """Delete a file."""
        deleted.append(path)
        return f"deleted {path}"

    tools = Tools()
    calls = ToolCalls(ToolCall("delete", {"path": "x"}), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[delete, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"})
        assert asked.type == "interrupt"
        reply = await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
        assert restarts(runtime) == 0
    assert reply.payload == {"output": "done"}
    assert deleted == ["x"]


async def test_a_tool_that_needs_approval_by_its_arguments_runs_where_it_needs_none(scripted):
    async def never(context: Any, arguments: dict[str, Any], id: str) -> bool:
        return False

    @function_tool(needs_approval=never)
    async def delete(path: str) -> str:
        """Delete a file."""
        return f"deleted {path}"

    agent = Agent(
        name="a",
        model=scripted(ToolCalls(ToolCall("delete", {"path": "x"}), "done")),
        tools=[delete],
    )
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).type == "reply"


async def test_an_approval_inside_an_agent_that_is_a_tool_goes_on_in_a_durable_run(scripted):
    deleted: list[str] = []

    @function_tool(needs_approval=True)
    async def delete(path: str) -> str:
        """Delete a file."""
        deleted.append(path)
        return f"deleted {path}"

    tools = Tools()
    inner = ToolCalls(ToolCall("delete", {"path": "x"}), ToolCall("flaky"), "inner done")
    outer = ToolCalls(ToolCall("ask_expert", {"input": "x"}), "done")
    expert = Agent(name="expert", model=scripted(inner), tools=[delete, tools.flaky])
    tool = expert.as_tool("ask_expert", "Ask.", failure_error_function=None)
    agent = Agent(name="a", model=scripted(outer), tools=[tool])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        asked = await runtime.ask("o", {"input": "hi"})
        reply = await runtime.ask("o", {"value": True}, "resume", conversation=asked.conversation)
        assert restarts(runtime) == 0
    assert (reply.payload, deleted) == ({"output": "done"}, ["x"])
    assert (len(outer.bodies), len(inner.bodies)) == (2, 3)


async def test_runs_that_a_tool_begins_itself_are_its_own_affair(scripted):
    inner = ToolCalls("inner done")
    own = Agent(name="own", model=scripted(inner))

    @function_tool
    async def think() -> str:
        """Think."""
        both = [await Runner.run(own, "x"), await Runner.run(own, "y")]
        return " ".join(each.final_output for each in both)

    tools = Tools()
    calls = ToolCalls(ToolCall("think"), ToolCall("flaky"), "done")
    agent = Agent(name="a", model=scripted(calls), tools=[think, tools.flaky])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert len(inner.bodies) == 2
    assert calls.bodies[-1]["messages"][2]["content"] == "inner done inner done"


async def test_an_answer_of_another_agent_is_recorded_too(scripted):
    from tests.openai.test_calls import Echo

    class Failing(OpenAIAgent):
        failed = False

        async def run_framework(self, run: Any) -> Any:
            result = await super().run_framework(run)
            if not Failing.failed:
                Failing.failed = True
                raise RuntimeError("once")
            return result

    Echo.heard.clear()
    agent = Agent(
        name="a",
        model=scripted(ToolCalls(ToolCall("transfer_to_echo"))),
        handoffs=[handoff_to("echo")],
    )
    async with running(Failing("o", agent=agent, durable=True), Echo("echo")) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": {"said": "hi"}}
    assert len(Echo.heard) == 1


async def test_a_restart_ends_the_run_before_its_next_model_call_and_the_next_one_goes_on(scripted):
    built: list[int] = []
    called: list[tuple[str, int]] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    @function_tool
    async def wait() -> str:
        """Wait."""
        called.append(("tool", len(built)))
        began.set()
        await go_on.wait()
        return "waited"

    def script(body: dict[str, Any]) -> Any:
        called.append(("model", len(built)))
        return "done" if body["messages"][-1]["role"] == "tool" else ToolCall("wait")

    model = scripted(script)

    def build() -> Agent[Any]:
        built.append(1)
        return Agent(name="a", model=model, tools=[wait])

    async with running(OpenAIAgent("o", agent=build, durable=True)) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}))
        await began.wait()
        restarting = asyncio.create_task(runtime.restart("o"))
        # It was asked to end when nobody else gets in.
        while runtime.tree()["children"][0]["status"] == "running":
            await asyncio.sleep(0)
        go_on.set()
        await restarting
        assert (await asking).payload == {"output": "done"}
    assert called == [("model", 1), ("tool", 1), ("model", 2)]


async def test_a_bad_end_is_told_once_and_not_tried_again(scripted):
    calls = ToolCalls(ToolCall("note", {"text": "x"}))
    agent = Agent(name="a", model=scripted(calls), tools=Tools().all)
    async with running(OpenAIAgent("o", agent=agent, durable=True, max_turns=2)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "MaxTurnsExceeded"
        assert restarts(runtime) == 0
    assert len(calls.bodies) == 2
