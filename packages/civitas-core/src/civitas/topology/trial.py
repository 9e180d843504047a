"""`Trial`: in the place of an incarnation, for whoever opens what an agent opens when it starts, to look at it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from civitas.errors import ConfigurationError, StartFailed
from civitas.process import AgentProcess
from civitas.process.resources import Resources, is_tried_out
from civitas.supervision import ConversationPool

__all__ = ["Trial"]


class Trial:
    """Opens what an incarnation would open; as a context manager, closes it again."""

    def __init__(self) -> None:
        self.resources = Resources()
        self._name = ""

    async def open(self, made: AgentProcess | ConversationPool) -> AgentProcess:
        """The agent that would run, or that of a pool's conversations.

        Raises:
            ConfigurationError: What a function built does not fit.
            StartFailed: It cannot be opened.
        """
        agent = made.child if isinstance(made, ConversationPool) else made
        self._name = agent.name
        is_tried_out.set(True)
        try:
            return await agent._civitas_open(self)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:
            raise StartFailed(agent.name, error) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.resources.close_all(f"agent {self._name!r}")
