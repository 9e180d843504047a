"""`AdapterSuite`, passed by an adapter for a framework of a few lines: what an author of a fourth adapter writes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Unpack

import pytest

from civitas.frameworks import AgentCall, FrameworkAgent, FrameworkKeywords, Interrupted, Run
from civitas.plugins import hookimpl
from civitas.process import AgentProcess
from civitas.testing import AdapterSuite, SuiteModel, ToolCall


@dataclass
class Chain:
    """The framework: calls a model some times, each time with all that was said, and a human in the end."""

    model: Callable[[list[str]], Awaitable[str | ToolCall]]
    calls: int = 1
    approval: bool = False
    tools: list[AgentCall] = field(default_factory=list)


class ChainAgent(FrameworkAgent):
    """The adapter."""

    subject_keyword = "chain"

    def __init__(self, name: str, *, chain: Chain, **keywords: Unpack[FrameworkKeywords]) -> None:
        super().__init__(name, subject=chain, **keywords)

    def accepts(self, subject: Any) -> bool:
        return isinstance(subject, Chain)

    def expected(self) -> str:
        return "a Chain"

    async def run_framework(self, run: Run) -> Any:
        if run.answers is not None:
            return {"output": run.saved}
        chain: Chain = self.subject
        texts = [*(run.history or []), run.payload["input"]]
        said = ""
        for number in range(chain.calls):
            await run.step(f"call {number}", f"step-{number}")
            said = await self._call(run, chain, f"model-{number}", texts)
        run.history = texts
        if chain.approval:
            return Interrupted([{"id": "approval", "value": said}], saved=said)
        return {"output": said}

    async def _call(self, run: Run, chain: Chain, key: str, texts: list[str]) -> str:
        while True:
            said = await run.once(f"{key}-{len(texts)}", self._ask_model, run, texts)
            if isinstance(said, str):
                for word in said.split(" "):
                    await run.token(word if said.startswith(word) else f" {word}", key)
                texts.append(said)
                return said
            (tool,) = (each for each in chain.tools if each.name == said["name"])
            await run.tool(tool.name, said["arguments"], part=said["id"])
            result = await run.once(said["id"], tool.call, said["arguments"])
            await run.tool(tool.name, said["arguments"], result, part=said["id"])
            texts.append(result)

    async def _ask_model(self, run: Run, texts: list[str]) -> Any:
        with await run.reserve("chain", texts):
            said = await self.subject.model(texts)
        return vars_of(said) if isinstance(said, ToolCall) else said


def vars_of(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments, "id": call.id}


class ChainPlugin:
    @hookimpl
    def civitas_wrap(self, obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
        return ChainAgent(name, chain=obj, **options) if isinstance(obj, Chain) else None


class TestChainAdapter(AdapterSuite):
    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The plugin, as if it were installed."""
        from civitas.plugins import manager

        found = manager.PluginManager.__init__

        def with_chain(self: Any, plugins: Any = (), **keywords: Any) -> None:
            found(self, [*plugins, ChainPlugin()], **keywords)

        monkeypatch.setattr(manager.PluginManager, "__init__", with_chain)

    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Chain:
        return Chain(model.answer, calls, approval, list(tools))

    def payload(self, text: str) -> Any:
        return {"input": text}

    def text(self, payload: Any) -> str:
        text: str = payload["output"]
        return text

    def tool(self, name: str) -> AgentCall:
        return AgentCall(name, description="helps")


def test_a_tool_call_is_plain_data() -> None:
    assert json.dumps(vars_of(ToolCall("t", {"a": 1})))
