"""A chat model of LangChain as `self.llm`."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from civitas import ModelProvider
from civitas.errors import ConfigurationError
from civitas_langgraph import ChatModel
from tests.core.frameworks.shared_tools import double


class Model(GenericFakeChatModel):
    """Says what it is told to, and notes what it may call."""

    bound: list[Any] = []

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        self.bound.extend(tools)
        return self


def saying(*messages: AIMessage) -> Model:
    return Model(messages=iter(messages), bound=[])


@pytest.mark.promise(id="SEM-1890")
async def test_a_chat_model_answers_and_calls_tools() -> None:
    call = {"name": "double", "args": {"number": 4}, "id": "1", "type": "tool_call"}
    usage: Any = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    model = saying(AIMessage("", tool_calls=[call], usage_metadata=usage), AIMessage("It is 8."))
    provider = ChatModel(model)
    assert isinstance(provider, ModelProvider)
    told: list[dict[str, Any]] = [{"role": "user", "content": "4, twice?"}]
    answer = await provider.chat("any", told, [double])
    assert answer.tool_calls == [{"id": "1", "name": "double", "arguments": {"number": 4}}]
    assert (answer.tokens_in, answer.tokens_out) == (5, 2)
    told.append({"role": "assistant", "content": "", "tool_calls": [*answer.tool_calls]})
    told.append({"role": "tool", "tool_call_id": "1", "content": "8"})
    assert (await provider.chat("any", told, [double])).content == "It is 8."
    assert model.bound[0]["function"]["name"] == "double"


@pytest.mark.promise(id="SEM-1890")
async def test_a_function_makes_the_model_of_each_name_once() -> None:
    made = []

    def make(name: str) -> Any:
        made.append(name)
        return saying(AIMessage(f"{name} says hello"), AIMessage("again"))

    provider = ChatModel(make)
    said = [
        (await provider.chat(name, [{"role": "user", "content": "hi"}])).content for name in "aab"
    ]
    assert said == ["a says hello", "again", "b says hello"]
    assert made == ["a", "b"]


@pytest.mark.promise(id="SEM-1890")
def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes a chat model of LangChain"):
        ChatModel("gpt")  # type: ignore[arg-type]
