"""What CrewAI itself remembers (`memory=`), in a run that may be repeated: read once, and written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_crewai._once import MadeCalls

__all__ = ["read_once", "write_once"]


def read_once(agent: Any, calls: MadeCalls) -> Callable[[Any, str], str]:
    """An agent's `_retrieve_memory_context`: what its memory said before the crash, if it said anything.

    Asked again, it would know what the run itself has put there since; the model would be asked something else, and
    with it everything that follows.
    """
    retrieve = agent._retrieve_memory_context

    def once(task: Any, task_prompt: str) -> str:
        if not agent._is_any_available_memory():
            return task_prompt
        key = calls.key("memory", ["read", agent.role, task_prompt])
        text: str = calls.make(key, lambda: retrieve(task, task_prompt))
        return text

    return once


def write_once(executor: Any, calls: MadeCalls) -> Callable[[Any], None]:
    """An executor's `_save_to_memory`, done when what it writes is written."""
    save = executor._save_to_memory

    def once(output: Any) -> None:
        agent = executor.agent
        if agent is None or not agent._is_any_available_memory():
            save(output)
            return

        def write() -> None:
            save(output)
            # The writing itself goes on beside the run.
            if executor.crew is not None:
                executor.crew._drain_memory_writes()

        task = getattr(executor.task, "description", "")
        calls.make(calls.key("memory", ["write", agent.role, task, output.text]), write)

    return once
