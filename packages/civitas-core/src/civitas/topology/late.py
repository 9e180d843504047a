"""An agent whose constructor wants a running event loop, in a tree that is built before one runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.process import AgentProcess

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.process.resources import Owner

__all__ = ["MadeLate"]


class MadeLate(AgentProcess):
    """Stands in a tree for an agent that is constructed when it starts.

    Args:
        name: Address of the agent.
        make: Constructs it.
        **keywords: Those of `AgentProcess` that the topology gives it.
    """

    def __init__(self, name: str, *, make: Callable[[], AgentProcess], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self._make = make

    async def _civitas_open(self, owner: Owner) -> AgentProcess:
        return self._make()

    async def handle(self, message: Message) -> None:
        """Never called: the agent that was made handles the messages."""
        raise NotImplementedError
