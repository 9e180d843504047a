"""`StepKeeper`: what is recorded of the messages that one run of an agent handles."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from civitas.process.ambiguous import CallNote, call_of
from civitas.process.current import current_message
from civitas.process.options import Delivery
from civitas.process.step_gate import StepGate
from civitas.process.steps import Probe, Steps
from civitas.process.user_code import call, is_async
from civitas.tools import FunctionTool, ToolRegistry

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.process.agent import AgentProcess
    from civitas.process.context import Context
    from civitas.process.run_state import RunState

__all__ = ["StepKeeper"]

_ALWAYS_OPEN = StepGate()


class StepKeeper:
    """What is recorded of the messages that one run of an agent handles: of one at a time.

    Args:
        agent: The agent that runs.
        node: The node it runs on.
        now: What its run is doing.
    """

    __slots__ = ("_agent", "_node", "_now")

    def __init__(self, agent: AgentProcess, node: Context, now: RunState) -> None:
        self._agent = agent
        self._node = node
        self._now = now

    async def step(
        self,
        key: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        probe: Probe = None,
        note: CallNote | None = None,
    ) -> Any:
        """Run `function` once per message; see `AgentProcess.step`."""
        steps = self.steps()
        progress = self._now.progress_of(steps.message)
        await steps.account_for(progress)
        if not progress.names_steps:
            progress.begins(key)
        if probe is None:
            probe = self._probe_of_tool(key, function, args, steps)
        asked = None if probe is None else partial(call, self._node, probe)
        gate, name = self._gate(), self._agent.name
        await gate.enter(name)
        with gate.at_work(name):
            taken = None if note is None else progress.trail.begins(note.kind, note.name)
            here = None
            store = steps.in_threads if probe is None else None
            if store is not None and not is_async(function):
                here = steps.in_thread(key, function, taken, store)
            work = partial(call, self._node, here or function, *args)
            if taken is None:
                return await steps.run(key, work, asked, here=here)
            try:
                result = await steps.run(key, work, asked, note, taken, here)
            except BaseException as error:
                taken.ends(error)
                raise
            taken.ends()
            return result

    def _probe_of_tool(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...], steps: Steps
    ) -> Probe:
        """The probe that a tool brings which is called as a step, itself or by its name; with `partial`, too."""
        tool: Any = function
        keywords: dict[str, Any] = {}
        if isinstance(tool, partial):
            tool, args, keywords = tool.func, (*tool.args, *args), tool.keywords
        registry = getattr(tool, "__self__", None)
        if isinstance(registry, ToolRegistry) and args and args[0] in registry:
            tool, args = registry._untraced(args[0]), args[1:]
        if not isinstance(tool, FunctionTool) or tool.probe is None:
            return None
        begun = steps.open.calls.get(key) if steps.open is not None else None
        since = begun["since"] if begun is not None else time.time()
        about = CallNote("tool", tool.name, keywords or args).plain(since, late=True)
        return partial(tool.probe, call_of(key, about, self._agent.name, steps.message))

    def steps(self) -> Steps:
        """What is recorded of the message being handled."""
        if self._now.steps is None:
            message = current_message.get()
            assert message is not None  # who calls this handles one
            self._node.recording(message)
            # Of a replica under the name that it stands behind: another may be given the message next.
            name, family = self._agent.name, self._agent._civitas_family
            owner = name if name.startswith(f"{family}/") else family
            self._now.steps = self.steps_of(message, owner)
        return self._now.steps

    def steps_of(self, message: Message, owner: str) -> Steps:
        """What is recorded of a message, under the name of `owner`."""
        steps = self._now.steps
        if steps is not None and steps.message.id == message.id:
            steps.message = message
            return steps
        return Steps(self._node.store, owner, message, self._agent._civitas_ambiguity)

    def _gate(self) -> StepGate:
        """Where its steps begin. What is not durable has to come to its end, and so has a step of a framework's own."""
        if self._agent._civitas_options.delivery is not Delivery.DURABLE:
            return _ALWAYS_OPEN
        key_of_step = getattr(self._agent, "key_of_step", None)
        inside = key_of_step is not None and key_of_step() is not None
        return _ALWAYS_OPEN if inside else self._node.step_gate

    def take_up(self, steps: Steps) -> None:
        """For the message in hand, the run that these steps are of goes on."""
        if self._now.current is not None:
            self._node.recording(self._now.current)
        self._now.steps = steps
