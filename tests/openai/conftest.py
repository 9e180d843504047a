"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from agents import Model, OpenAIChatCompletionsModel, OpenAIResponsesModel
from openai import AsyncOpenAI

from civitas.demo.model_server import ModelServer, Script
from tests.core.frameworks.support import spans

__all__ = ["responding", "scripted", "spans"]


Scripted = Callable[[Script], Model]


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    """A function from a script to a model that says it, over chat completions."""
    async with AsyncExitStack() as stack:
        yield lambda script: OpenAIChatCompletionsModel("m1", client_of(script, stack))


@pytest.fixture
async def responding() -> AsyncIterator[Scripted]:
    """The same over the responses API, which the SDK uses by default."""
    async with AsyncExitStack() as stack:
        yield lambda script: OpenAIResponsesModel("m1", client_of(script, stack))


def client_of(script: Script, stack: AsyncExitStack) -> AsyncOpenAI:
    """A client of a server that says the script."""
    server = stack.enter_context(ModelServer(script))
    client = AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0)
    stack.push_async_callback(client.close)
    return client
