"""What a run that failed for good did, told to the next message of its conversation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from civitas.errors import StateConflict
from civitas.frameworks.remembering import Remembering
from civitas.process import ErrorAction

if TYPE_CHECKING:
    from civitas.frameworks.base import FrameworkAgent
    from civitas.frameworks.run import Run
    from civitas.message import Message

__all__ = ["LatestTry", "tell_next"]

logger = logging.getLogger("civitas")


class LatestTry(Protocol):
    """One try to run a framework's agent for a message."""

    @property
    def run(self) -> Run:
        """The run."""

    async def failed(self, error: Exception) -> bool:
        """It failed for good: put what the next run has to know into `run.history`; False if that is nothing."""


async def tell_next(
    agent: FrameworkAgent,
    attempt: LatestTry | None,
    error: Exception,
    message: Message,
    action: ErrorAction,
) -> None:
    """Keep what a failed attempt did, unless the run is tried again or goes on in the next incarnation.

    For `on_error` of an adapter whose framework says nothing of a run that failed.

    Args:
        agent: The agent.
        attempt: Its latest; None if it made none.
        error: What came of the message.
        message: The message.
        action: What is done about the error.
    """
    if attempt is None or attempt.run.message.id != message.id:
        return
    if action is ErrorAction.RETRY or (agent.durable and action is ErrorAction.ESCALATE):
        return
    conversation = attempt.run.conversation
    try:
        if await attempt.failed(error):
            await Remembering(agent).keep_of_failed(attempt.run)
    except StateConflict:
        logger.warning(
            "agent %r: another process wrote conversation %r meanwhile, so what this failed run did is not in it",
            agent.name,
            conversation,
        )
    except Exception:
        logger.exception(
            "agent %r: what its failed run did could not be saved in conversation %r",
            agent.name,
            conversation,
        )
