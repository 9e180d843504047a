"""Every exception that can be met has a place in the table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import (
    Agent,
    Model,
    ModelResponse,
    ModelSettings,
    SQLiteSession,
    Usage,
    exceptions,
    function_tool,
)
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from civitas.demo.model_server import ToolCall
from civitas.errors import HandlerFailed
from civitas_openai import OpenAIAgent
from civitas_openai._outcomes import OUTCOMES
from tests.core.frameworks.exceptions import public, shown, unplaced
from tests.core.frameworks.support import restarts, running


@pytest.mark.promise(id="SEM-1085")
def test_each_exception_that_the_framework_defines_today_is_placed() -> None:
    assert unplaced(OUTCOMES, "agents", "openai") == []


def test_the_page_has_the_table() -> None:
    assert shown("OpenAI Agents SDK") == public(OUTCOMES)


@pytest.mark.skipif(not hasattr(exceptions, "ModelTimeoutError"), reason="newer than this SDK")
async def test_a_model_that_takes_longer_than_it_may_is_asked_again_in_a_durable_run() -> None:
    class Late(Model):
        asked = 0

        async def get_response(self, *args: Any, **keywords: Any) -> ModelResponse:
            self.asked += 1
            if self.asked == 1:
                await asyncio.Event().wait()
            part = ResponseOutputText(text="done", type="output_text", annotations=[])
            said = ResponseOutputMessage(
                id="m", content=[part], role="assistant", status="completed", type="message"
            )
            return ModelResponse([said], Usage(), None)

        def stream_response(self, *args: Any, **keywords: Any) -> AsyncIterator[Any]:
            raise NotImplementedError

    settings: Any = {"timeout": 0.02}
    agent = Agent(name="a", model=Late(), model_settings=ModelSettings(**settings))
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "done"}
        assert restarts(runtime) == 0


async def test_a_session_that_fails_is_told_and_tried_again_where_the_run_is_durable(
    scripted: Any,
) -> None:
    class Flaky(SQLiteSession):
        fails = 1

        async def get_items(self, limit: int | None = None) -> Any:
            if self.fails:
                self.fails -= 1
                raise RuntimeError("away")
            return await super().get_items(limit)

    agent = Agent(name="a", model=scripted(lambda body: "done"))
    sessions = [Flaky("a"), Flaky("b")]
    agents = [
        OpenAIAgent("a", agent=agent, session=sessions[0]),
        OpenAIAgent("b", agent=agent, session=sessions[1], durable=True),
    ]
    async with running(*agents) as runtime:
        with pytest.raises(HandlerFailed, match="away"):
            await runtime.ask("a", {"input": "hi"})
        assert (await runtime.ask("b", {"input": "hi"})).payload == {"output": "done"}
        assert [child["restarts"] for child in runtime.tree()["children"]] == [0, 0]
    for session in sessions:
        session.close()


async def test_a_mistake_in_a_tool_that_raises_through_is_told_at_once(scripted: Any) -> None:
    called = []

    @function_tool(failure_error_function=None)
    async def fail() -> str:
        """Fail."""
        called.append(1)
        raise KeyError("always")

    agent = Agent(name="a", model=scripted(lambda body: ToolCall("fail")), tools=[fail])
    async with running(OpenAIAgent("o", agent=agent, durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.error_type == "UserError"
        assert restarts(runtime) == 0
    assert called == [1]
