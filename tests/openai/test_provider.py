"""An endpoint of OpenAI's API as `self.llm`."""

from __future__ import annotations

from typing import Any

import pytest
from openai import APIConnectionError

from civitas import AgentProcess, Message, ModelProvider, Runtime
from civitas.demo.model_server import ModelServer, ToolCall
from civitas.errors import ConfigurationError
from civitas_openai import OpenAIModel
from tests.core.frameworks.shared_tools import double


class Assistant(AgentProcess):
    """Lets the model answer, and calls the tools that it asks for."""

    async def handle(self, message: Message) -> Message:
        assert self.llm is not None
        told: list[dict[str, Any]] = [{"role": "user", "content": message.payload}]
        answer = await self.llm.chat("m1", told, [double])
        for call in answer.tool_calls:
            result = await double.call(**call["arguments"])
            told.append({"role": "assistant", "content": None, "tool_calls": [dict(call)]})
            told.append({"role": "tool", "tool_call_id": call["id"], "content": str(result)})
            answer = await self.llm.chat("m1", told, [double])
        return self.reply(answer.content)


@pytest.mark.promise(id="SEM-1889")
async def test_a_topology_names_an_endpoint_and_its_tools_are_called() -> None:
    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return (
            f"It is {last['content']}."
            if last["role"] == "tool"
            else ToolCall("double", {"number": 4})
        )

    with ModelServer(script) as server:
        topology = {
            "model": {"type": "openai", "base_url": server.url},
            "supervision": {"name": "root", "children": [{"agent": {"name": "a", "type": "A"}}]},
        }
        async with Runtime.from_config(topology, agent_classes={"A": Assistant}) as runtime:
            assert (await runtime.ask("a", "4, twice?")).payload == "It is 8."
        assert server.requests[0]["tools"][0]["function"]["name"] == "double"


@pytest.mark.promise(id="SEM-1889")
async def test_the_answer_has_its_tokens_and_why_it_ended() -> None:
    with ModelServer(["hello"]) as server:
        async with OpenAIModel(server.url) as model:
            assert isinstance(model, ModelProvider)
            answer = await model.chat("m1", [{"role": "user", "content": "hi"}])
    assert (answer.content, answer.finish_reason) == ("hello", "stop")
    assert answer.tokens_in > 0


@pytest.mark.promise(id="SEM-1889")
async def test_an_endpoint_that_is_not_there_is_an_error() -> None:
    async with OpenAIModel("http://127.0.0.1:9/v1", max_retries=0) as model:
        with pytest.raises(APIConnectionError):
            await model.chat("m1", [{"role": "user", "content": "hi"}])


@pytest.mark.promise(id="SEM-1889")
def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must begin with http"):
        OpenAIModel("localhost:8000")
