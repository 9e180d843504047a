"""`CallNotes`: for an adapter whose framework records the results of its calls itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from civitas.process import Runner
    from civitas.process.ambiguous import Ambiguity, CallNote
    from civitas.process.steps import Steps

__all__ = ["CallNotes"]


class NotedAgent(Protocol):
    """A `FrameworkAgent`, as the notes of its calls see it."""

    _civitas_ambiguity: Ambiguity | None

    def _civitas_running(self) -> Runner: ...


class CallNotes:
    """Notes which calls of the message in hand have begun; what they return the framework records.

    Args:
        agent: The agent.
    """

    def __init__(self, agent: NotedAgent) -> None:
        self._agent = agent

    @property
    def wanted(self) -> bool:
        """Whether the agent notes any calls."""
        return self._agent._civitas_ambiguity is not None

    def notes(self, note: CallNote) -> bool:
        """Whether it is noted that such a call begins."""
        ambiguity = self._agent._civitas_ambiguity
        return ambiguity is not None and ambiguity.notes(note)

    async def begins(self, key: str, note: CallNote) -> None:
        """A call begins when this returns: that is in the store then."""
        await self._steps.begins(key, note)

    def ended(self, key: str) -> None:
        """A call has ended, and what came of it is recorded."""
        self._steps.settle(key, None)

    def raised(self, key: str, name: str) -> None:
        """A call has ended with an error; if there is a probe for it, that may know more."""
        if not self._steps.is_probed(name):
            self.ended(key)

    def begun(self) -> list[str]:
        """What names the calls that have begun."""
        calls = self._steps.open
        return [*calls.calls] if calls is not None else []

    async def told(self, key: str) -> Mapping[str, Any] | None:
        """The `result` of a call that a probe or a human told; None if nobody did."""
        return await self._steps.recorded(key)

    @property
    def _steps(self) -> Steps:
        return self._agent._civitas_running().step_keeper.steps()
