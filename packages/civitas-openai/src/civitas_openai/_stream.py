"""What the reader of a stream is told: agents that begin, tools that are called; and the user's own hooks beside it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from agents import ComputerTool, CustomTool, RunHooks

from civitas_openai._results import show
from civitas_openai._tool_calls import LOCAL, arguments_of, name_of, parsed, raw

if TYPE_CHECKING:
    from agents import ModelResponse

    from civitas.frameworks import Run
    from civitas_openai._tool_calls import ToolCalls

__all__ = ["Both", "Told"]

_RESULTS = ("output", "outputs", "results", "result", "error")


class Told(RunHooks[Any]):
    """Tells the reader of a run's stream.

    Args:
        run: The run.
        calls: The calls of tools in it.
    """

    def __init__(self, run: Run, calls: ToolCalls) -> None:
        self._run = run
        self._calls = calls
        self._agents = 0
        self._resumed: str | None = None
        self._times: Counter[str] = Counter()
        # What was called and is not done: by its part, name and arguments; and the parts of each kind of tool.
        self._begun: dict[str, tuple[str, Any]] = {}
        self._parts: dict[type, list[str]] = {}
        self.agent: str | None = None
        """Name of the agent that began last; one elsewhere answers once, and has no way back."""
        self.computer_call: dict[str, Any] | None = None
        """The call that a computer is busy with."""

    async def resume(self, agent: Any) -> None:
        """An agent goes on with what was approved; the SDK calls it a start only after that."""
        await self.on_agent_start(None, agent)
        self._resumed = agent.name

    async def failed(self, error: BaseException) -> None:
        """The run failed: what was called and is not done never will be."""
        for part in list(self._begun):
            await self._end(part, f"{type(error).__name__}: {error}")

    async def begin(self, kind: type, name: str, arguments: Any, part: str) -> None:
        """A tool is called, of a kind whose hooks do not say with what."""
        self._parts.setdefault(kind, []).append(part)
        await self._begin(part, name, arguments)

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        """An agent begins: the first, or one that was handed over to."""
        if not getattr(agent.model, "elsewhere", False):
            self.agent = agent.name
        resumed, self._resumed = self._resumed, None
        if resumed == agent.name:
            return
        self._agents += 1
        await self._run.step(agent.name, f"agent {self._agents}")

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        """A tool is called."""
        if (id := getattr(context, "tool_call_id", None)) is not None:
            self._times[id] += 1
            await self._begin(self._part(id), name_of(tool), _arguments(context, tool))
        elif isinstance(tool, ComputerTool):
            id = self._calls.find("computer_call", lambda call: True)
            call = None if id is None else self._calls.named(id)
            self.computer_call = None if call is None else raw(call)
            arguments = {} if call is None else arguments_of(call)
            await self.begin(type(tool), name_of(tool), arguments, f"tool {id}")

    async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: object) -> None:
        """A tool is done."""
        if (id := getattr(context, "tool_call_id", None)) is not None:
            # An agent that is a tool, and was waiting for a human, began in the run before.
            self._begun.setdefault(self._part(id), (name_of(tool), _arguments(context, tool)))
            await self._end(self._part(id), show(result))
        for part in self._parts.pop(type(tool), ()):
            await self._end(part, show(result))

    async def on_llm_end(self, context: Any, agent: Any, response: ModelResponse) -> None:
        """A model has answered; its provider has called tools of its own meanwhile, perhaps."""
        used = context.usage
        self._run.progress.uses(
            used.requests, used.input_tokens, used.output_tokens, used.total_tokens
        )
        items = [raw(item) for item in response.output if hasattr(item, "model_dump")]
        outputs = {
            item["call_id"]: item.get("output")
            for item in items
            if item.get("type", "").endswith("_call_output") and "call_id" in item
        }
        for item in items:
            kind, id = item.get("type", ""), item.get("call_id")
            if not kind.endswith("_call") or (kind in LOCAL and id not in outputs):
                continue
            part = f"tool {item.get('id') or id}"
            name = item.get("name") or kind.removesuffix("_call")
            result = outputs.get(id)
            for key in _RESULTS:
                if key in item:
                    result = item.pop(key)
                    break
            arguments = arguments_of(item)
            await self._run.tool(name, arguments, part=part)
            await self._run.tool(name, arguments, result, part=part)

    async def _begin(self, part: str, name: str, arguments: Any) -> None:
        self._begun[part] = name, arguments
        await self._run.tool(name, arguments, part=part)

    async def _end(self, part: str, result: Any) -> None:
        begun = self._begun.pop(part, None)
        if begun is not None:
            await self._run.tool(*begun, result, part=part)

    def _part(self, id: str) -> str:
        return f"tool {id} {self._times[id]}"


class Both(RunHooks[Any]):
    """Two hooks as one.

    Args:
        first: Is told first.
        second: The user's.
    """

    def __init__(self, first: RunHooks[Any], second: RunHooks[Any]) -> None:
        self._hooks = first, second

    async def _each(self, name: str, arguments: tuple[Any, ...]) -> None:
        for hooks in self._hooks:
            await getattr(hooks, name)(*arguments)

    async def on_agent_start(self, *arguments: Any) -> None:
        await self._each("on_agent_start", arguments)

    async def on_agent_end(self, *arguments: Any) -> None:
        await self._each("on_agent_end", arguments)

    async def on_handoff(self, *arguments: Any, **named: Any) -> None:
        for hooks in self._hooks:
            await hooks.on_handoff(*arguments, **named)

    async def on_llm_start(self, *arguments: Any) -> None:
        await self._each("on_llm_start", arguments)

    async def on_llm_end(self, *arguments: Any) -> None:
        await self._each("on_llm_end", arguments)

    async def on_tool_start(self, *arguments: Any) -> None:
        await self._each("on_tool_start", arguments)

    async def on_tool_end(self, *arguments: Any) -> None:
        await self._each("on_tool_end", arguments)


def _arguments(context: Any, tool: Any) -> Any:
    text = getattr(context, "tool_arguments", None)
    # A custom tool takes one text, whatever it looks like.
    return {"input": text} if isinstance(tool, CustomTool) else parsed(text)
