"""The spans of a run, and what it spends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from pydantic_ai import Agent, ModelResponse, RequestUsage, TextPart
from pydantic_ai.models.function import FunctionModel

from civitas import AgentProcess, Message, wrap
from civitas.errors import HandlerFailed
from civitas_pydantic_ai import agent_tool
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call


def user_span(name: str) -> None:
    with trace.get_tracer("user").start_as_current_span(name):
        pass


async def look(q: str) -> str:
    """Look it up."""
    user_span("async code")
    return "secret finding"


def count(q: str) -> str:
    """Count them."""
    user_span("sync code")
    return "secret number"


def broken() -> str:
    """Break."""
    raise KeyError("secret")


def secrets() -> Says:
    return Says(
        [[call("look", "c1", q="secret"), call("count", "c2", q="secret")], "secret answer"]
    )


@pytest.mark.promise(id="SEM-1876")
async def test_models_and_tools_nest_below_the_run_and_nothing_is_said(spans: Any) -> None:
    says = secrets()
    agent = wrap(says.agent(tools=[look, count], instructions="secret"), name="o")
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "secret"})
    assert spans.outline() == [
        "send o",
        "  process o",
        "    invoke_agent o",
        "      chat m1",
        "      execute_tool look",
        "        async code",
        "      execute_tool count",
        "        sync code",
        "      chat m1",
    ]
    told = spans.attributes("chat m1")
    assert told["gen_ai.response.model"] == told["gen_ai.request.model"] == "m1"
    assert told["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert told["gen_ai.usage.input_tokens"] > 0
    assert spans.attributes("execute_tool look")["gen_ai.tool.call.id"] == "c1"
    assert not [each for each in spans.all() if "secret" in str(dict(each.attributes or {}))]


@pytest.mark.promise(id="SEM-1876")
async def test_what_is_said_is_recorded_where_the_environment_asks_for_it(
    spans: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    async with running(wrap(secrets().agent(tools=[look, count]), name="o")) as runtime:
        await runtime.ask("o", {"input": "secret"})
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert '"content":"secret"' in chats[0]["gen_ai.input.messages"]
    assert '"name":"look"' in chats[0]["gen_ai.output.messages"]
    assert "secret finding" in chats[1]["gen_ai.input.messages"]
    assert spans.attributes("execute_tool look")["gen_ai.tool.call.result"] == '"secret finding"'


async def test_a_tool_that_breaks_and_its_run_are_errors(spans: Any) -> None:
    says = Says([[call("broken", "c1")]])
    async with running(wrap(says.agent(tools=[broken]), name="o")) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("o", {"input": "hi"})
    for name in ("execute_tool broken", "invoke_agent o"):
        assert spans.attributes(name)["error.type"] == "KeyError"


@pytest.mark.promise(id="SEM-1876")
async def test_where_pydantic_ai_makes_spans_itself_there_are_no_others(spans: Any) -> None:
    agent = secrets().agent(tools=[look, count])
    agent.instrument = True
    async with running(wrap(agent, name="o")) as runtime:
        await runtime.ask("o", {"input": "secret"})
    names = [each.strip() for each in spans.outline()]
    assert names[:3] == ["send o", "process o", "invoke_agent o"]
    assert names.count("chat m1") == 2
    assert names.count("execute_tool look") == 1
    assert {each.instrumentation_scope.name for each in spans.all() if "chat" in each.name} == {
        "pydantic-ai"
    }


async def test_the_call_of_another_agent_says_which_one_it_leads_to(spans: Any) -> None:
    class Echo(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply("heard")

    says = Says([[call("echo", "c1", input="x")], "done"])
    agent = wrap(says.agent(tools=[agent_tool("echo", description="Hears.")]), name="o")
    async with running(agent, Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "hi"})
    told = spans.attributes("execute_tool echo")
    assert told["gen_ai.transfer.mode"] == "return_to_caller"
    assert told["gen_ai.transfer.target.name"] == "echo"
    assert "        send echo" in spans.outline()


async def test_a_cancelled_call_is_marked_as_cancelled(spans: Any) -> None:
    began = asyncio.Event()

    async def hang(messages: Any) -> str:
        began.set()
        await asyncio.Event().wait()
        return "never"

    async with running(wrap(Says(hang).agent(), name="o")) as runtime:
        asking = asyncio.ensure_future(runtime.ask("o", {"input": "hi"}))
        await began.wait()
        asking.cancel()
        await asyncio.wait([asking])
    assert spans.attributes("chat m1")["error.type"] == "CancelledError"


@pytest.mark.promise(id="SEM-1913")
async def test_a_stream_counts_with_what_it_used() -> None:
    says = Says(lambda messages: "one two", streams=True)
    agent = wrap(says.agent(), name="o", budget={"tokens": 9999})
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "hi"})
        (before,) = await runtime.budgets()
        async for _ in runtime.stream("o", {"input": "hi"}):
            pass
        (after,) = await runtime.budgets()
    assert after["used"]["tokens"] > 1.5 * before["used"]["tokens"] > 0


async def test_an_agent_of_the_users_own_outside_any_run_makes_no_spans_of_ours(spans: Any) -> None:
    await secrets().agent(tools=[look, count]).run("secret")
    assert {each.name for each in spans.all()} == {"async code", "sync code"}


@pytest.mark.promise(id="SEM-1786")
async def test_cached_and_reasoning_tokens_are_told_and_whether_the_answer_came_in_pieces(
    spans: Any,
) -> None:
    def answer(messages: Any, info: Any) -> ModelResponse:
        usage = RequestUsage(
            input_tokens=20,
            output_tokens=9,
            cache_read_tokens=15,
            cache_write_tokens=3,
            output_reasoning_tokens=6,
        )
        return ModelResponse([TextPart("done")], usage=usage, finish_reason="stop")

    agent = Agent(FunctionModel(answer, model_name="m1"))
    async with running(wrap(agent, name="o")) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c-1")
    assert spans.attributes("chat m1") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "function",
        "gen_ai.conversation.id": "c-1",
        "gen_ai.request.model": "m1",
        "gen_ai.response.model": "m1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 15,
        "gen_ai.usage.cache_write.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 6,
    }
    says = Says(lambda messages: "one two", streams=True)
    async with running(wrap(says.agent(), name="p")) as runtime:
        async for _ in runtime.stream("p", {"input": "hi"}):
            pass
    chats = [dict(each.attributes or {}) for each in spans.all() if each.name == "chat m1"]
    assert [each.get("gen_ai.request.stream") for each in chats] == [None, True]


@pytest.mark.promise(id="SEM-1876")
async def test_the_spans_of_the_framework_can_be_switched_off(spans: Any) -> None:
    agent = wrap(secrets().agent(tools=[look, count]), name="o", framework_spans=False)
    async with running(agent) as runtime:
        await runtime.ask("o", {"input": "hi"})
    names = [each.strip() for each in spans.outline()]
    assert names == ["send o", "process o", "invoke_agent o", "async code", "sync code"]
