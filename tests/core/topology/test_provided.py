"""`model:` and `tools:`: what a topology names and plugins provide to every agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from civitas.errors import StateStoreError, TopologyError
from civitas.message import Message
from civitas.models import ModelResponse
from civitas.plugins import hookimpl
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.tools import ToolProvider, tool


class Echo:
    """A model provider of a plugin."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        return ModelResponse(self.prefix + messages[-1]["content"], model=model)


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Provides:
    """A plugin."""

    @hookimpl
    def civitas_model_providers(self) -> dict[str, Any]:
        return {"echo": Echo}

    @hookimpl
    def civitas_tool_providers(self) -> dict[str, Any]:
        return {"add": add}


class Thinks(AgentProcess):
    """Asks the model and calls a tool."""

    async def handle(self, message: Message) -> Message:
        assert self.llm is not None
        assert self.tools is not None
        answer = await self.llm.chat("m", [{"content": "hi"}])
        return self.reply([answer.content, await self.tools["add"].call(a=1, b=2)])


def with_model(**keys: Any) -> dict[str, Any]:
    return {
        "model": {"type": "echo", "prefix": "> "},
        "tools": [{"type": "add"}],
        "supervision": {"children": [{"agent": {"name": "a", "type": "Thinks"}}]},
        **keys,
    }


@pytest.mark.promise(id="SEM-708")
async def test_a_topology_names_the_model_and_the_tools_that_plugins_provide() -> None:
    runtime = Runtime.from_config(
        with_model(), agent_classes={"Thinks": Thinks}, plugins=[Provides()]
    )
    async with runtime:
        assert (await runtime.ask("a", None)).payload == ["> hi", 3]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"model": {"type": "ecko", "prefix": ""}}, "did you mean 'echo'"),
        ({"model": {"type": "echo"}}, "model of type 'echo' needs 'prefix'"),
        ({"model": {"type": "echo", "prefx": "", "prefix": ""}}, "did you mean 'prefix'"),
        ({"tools": [{"type": "ad"}]}, "did you mean 'add'"),
        ({"tools": [{"type": "add", "n": 1}]}, "unknown key 'n'"),
    ],
)
def test_a_model_or_tool_that_does_not_fit_is_named_with_the_nearest(
    keys: dict[str, Any], words: str
) -> None:
    with pytest.raises(TopologyError, match=words):
        Runtime.from_config(
            with_model(**keys), agent_classes={"Thinks": Thinks}, plugins=[Provides()]
        )


def test_a_store_of_a_plugin_that_cannot_be_made_is_told_in_its_own_words() -> None:
    class Closed:
        def __init__(self, path: str) -> None:
            raise StateStoreError(f"{path} cannot be opened")

        async def get(self, key: str) -> None: ...
        async def set(self, key: str, value: Mapping[str, Any]) -> None: ...
        async def delete(self, key: str) -> None: ...

    class Stores:
        @hookimpl
        def civitas_state_stores(self) -> dict[str, Any]:
            return {"closed": Closed}

    config = {"state": {"type": "closed", "path": "x"}, "supervision": {}}
    with pytest.raises(TopologyError) as caught:
        Runtime.from_config(config, plugins=[Stores()])
    assert str(caught.value).endswith("x cannot be opened")
    assert "StateStoreError(" not in str(caught.value)
