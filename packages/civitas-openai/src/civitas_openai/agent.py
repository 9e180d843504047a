"""`OpenAIAgent`: an agent of the OpenAI Agents SDK as an agent of Civitas."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Unpack

from agents import Agent, Runner
from agents.run import DEFAULT_MAX_TURNS

from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Interrupted, Run
from civitas_openai._payload import read_input
from civitas_openai._tracing import bridged, keep_traces_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents import RunConfig
    from agents.items import ToolApprovalItem
    from agents.memory import Session

__all__ = ["OpenAIAgent"]


class OpenAIAgent(FrameworkAgent):
    """Runs an SDK agent: `{"input": text or a list of input items}` becomes `{"output": final output}`.

    A structured output (a pydantic model, a dataclass) arrives as a dict. A run that stops for a tool approval
    answers with a reply of type `interrupt`.

    The SDK's own export of traces to its vendor is switched off in this process, unless it was asked for: see
    the guide.

    Args:
        name: Address of the agent.
        agent: The SDK's `Agent`, or a function without arguments that builds it. Never changed.
        run_config: The SDK's `RunConfig`.
        session: The SDK's `Session`: one memory for all messages of this agent.
        context: What tools and hooks get as `context`.
        max_turns: Model calls one run may make; None for no limit.
        **keywords: Those of `AgentProcess`.

    Raises:
        ConfigurationError: `agent` is not an `Agent`, or a keyword does not fit.
    """

    subject_keyword = "agent"
    operation = "invoke_agent"

    def __init__(
        self,
        name: str,
        *,
        agent: Agent[Any] | Callable[[], Agent[Any]],
        run_config: RunConfig | None = None,
        session: Session | None = None,
        context: Any = None,
        max_turns: int | None = DEFAULT_MAX_TURNS,
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=agent, **keywords)
        self._run_config = run_config
        self._session = session
        self._context = context
        self._max_turns = max_turns

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is an SDK agent."""
        return isinstance(subject, Agent)

    def expected(self) -> str:
        """What `agent` may be."""
        return "an `agents.Agent`"

    async def run_framework(self, run: Run) -> Any:
        """Run the agent."""
        items = read_input(run.payload, self.refuse)
        keep_traces_private()
        with bridged(run.spans):
            result = await Runner.run(
                self.subject,
                items,
                context=self._context,
                run_config=self._run_config,
                session=self._session,
                max_turns=self._max_turns,
            )
        if result.interruptions:
            return Interrupted([_interrupt(each) for each in result.interruptions])
        return {"output": result.final_output}


def _interrupt(item: ToolApprovalItem) -> dict[str, Any]:
    raw = item.raw_item
    call = raw if isinstance(raw, dict) else vars(raw)
    arguments = call.get("arguments")
    with suppress(TypeError, ValueError):  # if it is no JSON, it is for the human to judge as it is
        arguments = json.loads(arguments or "{}")
    return {
        "id": call.get("call_id") or call.get("id"),
        "value": {"name": item.tool_name, "arguments": arguments},
    }
