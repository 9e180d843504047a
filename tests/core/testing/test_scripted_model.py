"""`ScriptedModel`: a model that says what it was told to."""

from __future__ import annotations

import pytest

from civitas.models import ModelResponse
from civitas.testing import ModelCall, ScriptedModel
from civitas.tools import tool

QUESTION = [{"role": "user", "content": "how are you"}]


@pytest.mark.promise(id="SEM-714")
async def test_answers_come_one_after_another():
    model = ScriptedModel(["fine", "still fine"])
    assert (await model.chat("gpt", QUESTION)).content == "fine"
    assert (await model.chat("gpt", QUESTION)).content == "still fine"


async def test_a_text_becomes_a_response_with_token_counts():
    response = await ScriptedModel(["I am fine"]).chat("gpt", QUESTION)
    assert response == ModelResponse("I am fine", model="gpt", tokens_in=3, tokens_out=3)


async def test_a_response_is_given_as_it_is():
    response = ModelResponse(
        "", model="own", tool_calls=[{"id": "1", "name": "x", "arguments": {}}]
    )
    assert await ScriptedModel([response]).chat("gpt", QUESTION) is response


async def test_an_exception_is_raised():
    with pytest.raises(ConnectionError, match="no route"):
        await ScriptedModel([ConnectionError("no route")]).chat("gpt", QUESTION)


async def test_a_function_answers_by_the_call():
    model = ScriptedModel([lambda call: f"{call.model}: {call.messages[-1]['content']}?"])
    assert (await model.chat("gpt", QUESTION)).content == "gpt: how are you?"


async def test_calls_are_kept_as_they_were_made():
    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    model, messages = ScriptedModel(["a"]), [dict(QUESTION[0])]
    await model.chat("gpt", messages, [search])
    messages[0]["content"] = "changed"
    messages.append({})
    assert model.calls == [ModelCall("gpt", (QUESTION[0],), ("search",))]


async def test_a_script_at_its_end_fails_the_test():
    model = ScriptedModel(["only one"])
    await model.chat("gpt", QUESTION)
    with pytest.raises(AssertionError, match="the script has 1 answers and this is call 2"):
        await model.chat("gpt", QUESTION)


async def test_a_script_can_begin_again():
    model = ScriptedModel(["a", "b"], repeat=True)
    assert [(await model.chat("gpt", QUESTION)).content for _ in range(5)] == list("ababa")
