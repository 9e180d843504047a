"""Tools of the runtime as tools of the SDK."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent

from civitas import Runtime, Supervisor, wrap
from civitas.demo.model_server import ToolCall
from civitas.errors import ConfigurationError, StartFailed
from civitas_openai import runtime_tools
from tests.core.frameworks.shared_tools import double


@pytest.mark.promise(id="SEM-1888")
@pytest.mark.parametrize(("number", "said"), [(4, "8"), (-1, "Error: it is below 0")])
async def test_a_model_calls_a_tool_of_the_runtime(scripted: Any, number: int, said: str) -> None:
    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return last["content"] if last["role"] == "tool" else ToolCall("double", {"number": number})

    model = scripted(script)
    agent = wrap(lambda: Agent(name="a", model=model, tools=runtime_tools("dou*")), name="o")
    async with Runtime(Supervisor("root", [agent]), tools=[double]) as runtime:
        assert (await runtime.ask("o", {"input": "go"})).payload == {"output": said}


@pytest.mark.promise(id="SEM-1888")
async def test_a_tool_that_is_not_there_is_a_failed_start_and_says_which_are() -> None:
    agent = wrap(lambda: Agent(name="a", tools=runtime_tools("dubble")), name="o")
    with pytest.raises(StartFailed, match=r"no tool is named 'dubble'.*'double'"):
        async with Runtime(Supervisor("root", [agent]), tools=[double]):
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1888")
def test_outside_of_an_agent_there_are_none() -> None:
    with pytest.raises(ConfigurationError, match="give `wrap` the function that builds"):
        runtime_tools()
