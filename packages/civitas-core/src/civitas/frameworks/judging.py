"""What an agent makes of the failure of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from civitas.errors import NoProgress
from civitas.events import DeadLetterReason
from civitas.frameworks.outcomes import Outcome
from civitas.process import Delivery

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.process import Runner
    from civitas.process.options import AgentOptions

__all__ = ["judged", "tell_nobody"]

logger = logging.getLogger("civitas")


class JudgingAgent(Protocol):
    """A `FrameworkAgent`, as what judges its failures sees it."""

    name: str
    _civitas_options: AgentOptions

    def outcome(self, error: Exception) -> Outcome:
        """What a failure of a run means."""

    def _civitas_running(self) -> Runner: ...


def judged(
    agent: JudgingAgent, error: Exception, transient: Callable[[Exception], bool] | None
) -> tuple[Outcome, bool]:
    """What `error` means, and whether to try again.

    Args:
        agent: Whose run failed.
        error: What it raised.
        transient: What the user says of that; None for what the outcome says.
    """
    wanted = agent._civitas_options.delivery is not Delivery.AT_MOST_ONCE
    if isinstance(error, NoProgress):  # the run crashes, and those that wait behind it do not
        return Outcome.CRASH if wanted else Outcome.ANSWER, False
    try:
        meaning = agent.outcome(error)
        if transient is not None:
            return meaning, bool(transient(error))
    except Exception:
        logger.exception(
            "agent %r: its outcome or transient raised an error when asked about a %s; whoever asked is told so",
            agent.name,
            type(error).__name__,
        )
        return Outcome.ANSWER, False
    # Who wants each message handled at least once takes what a try did already as well.
    return meaning, wanted and meaning in (Outcome.TRANSIENT, Outcome.UNKNOWN)


def tell_nobody(agent: JudgingAgent, error: Exception, message: Message) -> None:
    """A run failed whose answer nobody is waiting for."""
    logger.error(
        "agent %r: the run of a message of type %r failed, and nobody is waiting for its answer",
        agent.name,
        message.type,
        exc_info=error,
    )
    agent._civitas_running().node.dead_letter(message, DeadLetterReason.FAILED)
