"""SDK agents that make no progress for longer than their agent allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, Usage, function_tool

from civitas.errors import HandlerFailed
from civitas_openai import OpenAIAgent
from civitas_openai._responses import as_delta, as_event
from tests.core.frameworks.support import running
from tests.openai.support import Says, function, said

LIMIT = 0.2


class Slow(Model):
    """Takes three times the limit for an answer, and says something now and then where it streams."""

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(LIMIT * 3)
        return ModelResponse([said("late")], Usage(), None)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for number in range(6):
            await asyncio.sleep(LIMIT / 4)
            yield as_delta(f"{number} ")
        yield as_event(ModelResponse([said("slowly")], Usage(), None), "slow")


@pytest.mark.promise(id="SEM-1714")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_model_that_streams_slowly_lives_though_nobody_reads(durable: bool) -> None:
    agent = OpenAIAgent(
        "o", agent=Agent(name="a", model=Slow()), durable=durable, progress_timeout=LIMIT
    )
    async with running(agent) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "slowly"}


@pytest.mark.promise(id="SEM-1714")
async def test_what_a_model_used_is_told_though_it_streams(scripted: Any) -> None:
    agent = Agent(name="a", model=scripted(["hello"]))
    async with running(OpenAIAgent("o", agent=agent, progress_timeout=5)) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert json.loads(reply.headers["civitas-usage"])["requests"] == 1


@pytest.mark.promise(id="SEM-1714")
async def test_an_agent_that_is_a_tool_moves_the_run_that_calls_it() -> None:
    helper = Agent(name="helper", model=Slow())
    model = Says([[function("helper", "c1", '{"input": "?"}')], "done"])
    asker = Agent(name="a", model=model, tools=[helper.as_tool("helper", "helps")])
    async with running(OpenAIAgent("o", agent=asker, progress_timeout=LIMIT)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}


@pytest.mark.promise(id="SEM-1713")
@pytest.mark.parametrize("nested", [False, True])
async def test_a_tool_that_hangs_is_cancelled_and_named(nested: bool) -> None:
    cancelled = asyncio.Event()

    @function_tool
    async def search() -> str:
        """Search."""
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    asker = Agent(name="a", model=Says([[function("search", "c1")], "done"]), tools=[search])
    if nested:
        model = Says([[function("helper", "c0", '{"input": "?"}')], "done"])
        asker = Agent(name="b", model=model, tools=[asker.as_tool("helper", "helps")])
    async with running(OpenAIAgent("o", agent=asker, progress_timeout=LIMIT)) as runtime:
        with pytest.raises(HandlerFailed, match="last, the tool 'search' was called"):
            await runtime.ask("o", {"input": "hi"})
        await asyncio.wait_for(cancelled.wait(), 5)
