"""`AgentCall`: an agent of the system as a tool."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from civitas.errors import ConfigurationError
from civitas.frameworks import AgentCall
from civitas.message import Message
from civitas.process import AgentProcess
from tests.core.frameworks.support import restarts, running


class Caller(AgentProcess):
    def __init__(self, name: str, call: AgentCall) -> None:
        super().__init__(name)
        self.call = call

    async def handle(self, message: Message) -> Message:
        if message.type == "thread":
            return self.reply(await asyncio.to_thread(self.call.call_from_thread, message.payload))
        return self.reply(await self.call.call(message.payload))


class Helper(AgentProcess):
    async def handle(self, message: Message) -> Message | None:
        if message.payload == {"input": "fail"}:
            raise KeyError("broken")
        return self.reply({"got": message.payload, "in": message.conversation})


@pytest.mark.promise(id="SEM-975")
@pytest.mark.parametrize("kind", ["message", "thread"])
async def test_the_answer_of_an_agent_is_json_and_the_conversation_goes_along(kind: str) -> None:
    async with running(
        Helper("helper"), Caller("caller", AgentCall("helper", description="helps"))
    ) as runtime:
        reply = await runtime.ask("caller", {"input": "é"}, kind, conversation="c")
    assert json.loads(reply.payload) == {"got": {"input": "é"}, "in": "c"}
    assert "é" in reply.payload


@pytest.mark.promise(id="SEM-975")
async def test_a_called_agent_that_fails_is_a_text_for_the_model() -> None:
    async with running(
        Caller("caller", AgentCall("helper", description="helps")), Helper("helper")
    ) as runtime:
        reply = await runtime.ask("caller", {"input": "fail"})
        assert reply.payload.startswith("Error: 'helper' failed: KeyError")
        assert restarts(runtime) == 0


async def test_a_name_that_nobody_has_is_a_text_for_the_model() -> None:
    async with running(Caller("caller", AgentCall("helpre", description="helps"))) as runtime:
        assert "helpre" in (await runtime.ask("caller", {"input": "x"})).payload


async def test_outside_of_an_agent_a_call_is_a_configuration_error() -> None:
    call = AgentCall("helper", description="helps")
    with pytest.raises(ConfigurationError, match="'helper' asks an agent of a running system"):
        await call.call({"input": "x"})
    with pytest.raises(ConfigurationError, match="outside one"):
        call.call_from_thread({"input": "x"})


class Question(BaseModel):
    topic: str
    depth: int = 1


SCHEMA = {"type": "object", "properties": {"topic": {"type": "string"}}}


def test_the_parameters_are_one_text_unless_they_are_given() -> None:
    assert list(AgentCall("a", description="d").schema["properties"]) == ["input"]
    assert AgentCall("a", description="d", parameters=SCHEMA).schema == SCHEMA
    typed = AgentCall("a", description="d", parameters=Question)
    assert typed.model is Question
    assert list(typed.schema["properties"]) == ["topic", "depth"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"description": ""}, "description must say"),
        (
            {"description": "d", "parameters": {"type": "string"}},
            "a JSON Schema with type 'object'",
        ),
        ({"description": "d", "parameters": "text"}, "a pydantic model's class"),
        ({"description": "d", "timeout": 0}, "timeout"),
    ],
)
def test_arguments_that_do_not_fit_are_configuration_errors(arguments: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        AgentCall("a", **arguments)
