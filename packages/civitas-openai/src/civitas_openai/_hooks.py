"""What a reader of a run's stream hears beside the text of the models: agents that begin, tools."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agents import RunHooks

from civitas_openai._results import show

if TYPE_CHECKING:
    from agents import ModelResponse

    from civitas.frameworks import Run

__all__ = ["Told"]

_OWN = frozenset({"function_call", "custom_tool_call", "computer_call", "shell_call"})


class Told(RunHooks[Any]):
    """Tells of a run while it goes on.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._agents = 0
        self._resumed: str | None = None
        self._calls: Counter[str] = Counter()

    async def resume(self, agent: Any) -> None:
        """An agent goes on with what was approved; the SDK calls it a start only after that."""
        await self.on_agent_start(None, agent)
        self._resumed = agent.name

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        """An agent begins: the first, or one that was handed over to."""
        resumed, self._resumed = self._resumed, None
        if resumed == agent.name:
            return
        self._agents += 1
        await self._run.step(agent.name, f"agent {self._agents}")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        """A tool is called."""
        id = getattr(context, "tool_call_id", tool.name)
        self._calls[id] += 1
        await self._run.tool(tool.name, _arguments(context), part=self._part(id))

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:
        """A tool is done."""
        part = self._part(getattr(context, "tool_call_id", tool.name))
        await self._run.tool(tool.name, _arguments(context), show(result), part=part)

    async def on_llm_end(self, context: Any, agent: Any, response: ModelResponse) -> None:
        """The model's provider has called tools of its own meanwhile."""
        for item in response.output:
            kind = getattr(item, "type", "")
            if not kind.endswith("_call") or kind in _OWN or not hasattr(item, "model_dump"):
                continue
            data = item.model_dump(mode="json", exclude_none=True)
            part = f"tool {data.get('id')}"
            name = data.pop("name", kind.removesuffix("_call"))
            result = next(
                (data.pop(key) for key in ("output", "results", "result") if key in data), None
            )
            arguments = {key: data[key] for key in data if key not in ("id", "type", "status")}
            arguments = arguments.get("action", arguments)
            await self._run.tool(name, arguments, part=part)
            await self._run.tool(name, arguments, result, part=part)

    def _part(self, id: str) -> str:
        return f"tool {id} {self._calls[id]}"


def _arguments(context: Any) -> Any:
    text = getattr(context, "tool_arguments", None)
    with suppress(TypeError, ValueError):
        return json.loads(text or "{}")
    return text
