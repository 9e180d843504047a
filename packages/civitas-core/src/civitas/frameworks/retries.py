"""How often one run is tried again in place, and after what wait."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from civitas.frameworks.outcomes import Outcome, chain

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["Retries", "retry_after"]

# Seconds before a run is tried again, twice as long each time, with jitter: where something outside is down and names
# no wait itself, and where nobody knows what helps.
_FIRST_WAIT = {Outcome.TRANSIENT: 0.5, Outcome.UNKNOWN: 0.05}
_LONGEST_WAIT = 30.0


class Retries:
    """Counts the attempts at the message being handled.

    Args:
        most: How many after the first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._message = ""
        self._times = 0

    def next(
        self, message: Message, error: BaseException, outcome: Outcome, *, in_time: bool
    ) -> float | None:
        """Count another attempt at `message`.

        Args:
            message: What is handled.
            error: What its run raised.
            outcome: What that means.
            in_time: Only if it can begin before the deadline of the message.

        Returns:
            Seconds to wait before it; None if there were enough attempts, or the time is up.
        """
        if self._message != message.id:
            self._message, self._times = message.id, 0
        self._times += 1
        if self._times > self._most:
            return None
        wait = retry_after(error)
        if wait is None:
            first = _FIRST_WAIT.get(outcome, _FIRST_WAIT[Outcome.TRANSIENT])
            wait = min(first * 2 ** (self._times - 1), _LONGEST_WAIT) * random.uniform(0.5, 1)
        if in_time and message.deadline is not None and message.deadline < time.time() + wait:
            return None
        return wait


def retry_after(error: BaseException) -> float | None:
    """Seconds that the provider asks to wait, by its ``Retry-After`` header (RFC 9110); None if it says nothing."""
    for each in chain(error):
        headers: Any = getattr(getattr(each, "response", None), "headers", None)
        try:
            said = headers.get("retry-after")
        except AttributeError:
            continue
        if said is None:
            continue
        try:
            return max(0.0, float(said))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
        except ValueError:
            continue
    return None
