"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from agents import Model, OpenAIChatCompletionsModel
from openai import AsyncOpenAI

from civitas.demo.model_server import ModelServer, Script
from tests.core.frameworks.support import spans

__all__ = ["scripted", "spans"]


@pytest.fixture
async def scripted() -> AsyncIterator[Callable[[Script], Model]]:
    """A function from a script to a model that says it."""
    async with AsyncExitStack() as stack:

        def model(script: Script) -> Any:
            server = stack.enter_context(ModelServer(script))
            client = AsyncOpenAI(base_url=server.url, api_key="x", max_retries=0)
            stack.push_async_callback(client.close)
            return OpenAIChatCompletionsModel(model="m1", openai_client=client)

        yield model
