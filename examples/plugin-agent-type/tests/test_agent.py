"""The assistant, with a model that plays a list."""

from __future__ import annotations

from typing import Any

import pytest
from civitas_assistant import Assistant

import civitas
from civitas import ModelResponse, Runtime, StartFailed, Supervisor
from civitas.testing import ScriptedModel


@civitas.tool
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def wants(name: str, **arguments: Any) -> ModelResponse:
    """The model wants a tool called."""
    return ModelResponse("", tool_calls=[{"id": "1", "name": name, "arguments": arguments}])


def system(model: ScriptedModel | None) -> Runtime:
    """An assistant under a supervisor."""
    root = Supervisor(
        "root", children=[Assistant("helper", model="small", instructions="Be kind.")]
    )
    return Runtime(root, model_provider=model, tools=[double])


async def test_it_calls_the_tools_that_the_model_wants() -> None:
    model = ScriptedModel([wants("double", number=21), lambda call: call.messages[-1]["content"]])
    async with system(model) as runtime:
        assert (await runtime.ask("helper", {"input": "?"})).payload == {"output": "42"}
    assert model.calls[0].tools == ("double",)


@pytest.mark.parametrize(
    ("call", "words"),
    [(wants("double", number="x"), "number: "), (wants("dubble"), "did you mean 'double'")],
)
async def test_a_call_that_does_not_fit_is_told_to_the_model(
    call: ModelResponse, words: str
) -> None:
    model = ScriptedModel([call, "I see"])
    async with system(model) as runtime:
        assert (await runtime.ask("helper", {"input": "?"})).payload == {"output": "I see"}
    assert words in model.calls[1].messages[-1]["content"]


async def test_it_remembers_a_conversation_and_nothing_else() -> None:
    model = ScriptedModel(["one", "two", "three"])
    async with system(model) as runtime:
        await runtime.ask("helper", {"input": "a"}, conversation="user-1")
        await runtime.ask("helper", {"input": "b"})
        await runtime.ask("helper", {"input": "c"}, conversation="user-1")
    said = [[message["content"] for message in call.messages] for call in model.calls]
    assert said == [["Be kind.", "a"], ["Be kind.", "b"], ["Be kind.", "a", "one", "c"]]


async def test_it_does_not_start_without_a_model() -> None:
    with pytest.raises(StartFailed, match="has no model; add"):
        await system(None).start()
