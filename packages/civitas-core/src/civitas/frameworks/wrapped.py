"""An agent for what a function builds: which adapter that needs is known when it has run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from civitas.frameworks.base import FrameworkAgent
from civitas.frameworks.keywords import FrameworkKeywords
from civitas.process import AgentProcess

if TYPE_CHECKING:
    from civitas.frameworks.run import Run
    from civitas.process.resources import Owner

__all__ = ["Wrapped"]

Adapt = Callable[[Any], AgentProcess]
"""From what the function built to an agent for it; raises `ConfigurationError` where no adapter knows it."""


class Wrapped(FrameworkAgent):
    """Stands in a tree for the agent of what a function builds.

    The function is called where the agent runs, in its task, so that it may use the event loop. The agent of each
    incarnation is that of the adapter that knows what came of it.

    Args:
        name: Address of the agent.
        subject: The function.
        adapt: Finds the adapter.
        options: What `wrap` was given; checked here as far as every adapter takes it.
    """

    def __init__(
        self,
        name: str,
        *,
        subject: Callable[[], Any],
        adapt: Adapt,
        options: Mapping[str, Any],
    ) -> None:
        shared = FrameworkKeywords.__annotations__
        super().__init__(
            name, subject=subject, **{key: options[key] for key in options if key in shared}
        )
        self._adapt = adapt

    async def _civitas_open(self, owner: Owner) -> AgentProcess:
        await super()._civitas_open(owner)
        assert self._built is not None
        agent = self._adapt(self._built.value)
        if isinstance(agent, FrameworkAgent):
            agent._civitas_adopt(self._given, self._built)
        return agent

    def accepts(self, subject: Any) -> bool:
        """Not what was given, which is a function; whatever that built is looked at by the adapters."""
        return subject is not self._given

    def expected(self) -> str:
        """What any adapter knows."""
        return "an object of a framework"

    async def run_framework(self, run: Run) -> Any:
        """Never called: the adapter's agent handles the messages."""
        raise NotImplementedError
