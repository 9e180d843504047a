"""Agents of Pydantic AI that make no progress for longer than their agent allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_ai import Agent, ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

from civitas import wrap
from civitas.errors import HandlerFailed
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call

LIMIT = 0.2


async def late(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Takes three times the limit for an answer."""
    await asyncio.sleep(LIMIT * 3)
    return ModelResponse(Says.said("late"))


async def slowly(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    """Says something now and then."""
    for number in range(6):
        await asyncio.sleep(LIMIT / 4)
        yield f"{number} "


@pytest.mark.promise(id="SEM-1714")
async def test_a_model_that_streams_slowly_lives_though_nobody_reads() -> None:
    agent = Agent(FunctionModel(late, stream_function=slowly))
    async with running(wrap(agent, name="o", progress_timeout=LIMIT)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "0 1 2 3 4 5 "}


@pytest.mark.promise(id="SEM-1713")
async def test_a_tool_that_hangs_is_cancelled_and_named() -> None:
    cancelled = asyncio.Event()

    async def search() -> str:
        """Search."""
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    agent: Any = Says([[call("search", "c1")], "done"]).agent(tools=[search])
    async with running(wrap(agent, name="o", progress_timeout=LIMIT)) as runtime:
        with pytest.raises(HandlerFailed, match="last, the tool 'search' was called"):
            await runtime.ask("o", {"input": "hi"})
        await asyncio.wait_for(cancelled.wait(), 5)
