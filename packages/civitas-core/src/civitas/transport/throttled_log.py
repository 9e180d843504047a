"""`ThrottledLog`: a line of log for what others can make happen as often as they like."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

__all__ = ["ThrottledLog"]

_EVERY = 60.0
"""Seconds between two lines."""


class ThrottledLog:
    """Logs the first of a kind at once, and then one line a minute that says how many there were.

    Args:
        logger: Where to.
        now: Tells the time, in seconds.
    """

    def __init__(
        self, logger: logging.Logger, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._now = now
        self._quiet_until = float("-inf")
        self._passed_over = 0

    def warn(self, text: str, *arguments: Any) -> None:
        """One more of them.

        Args:
            text: As for `logging.Logger.warning`, and likewise its arguments.
            *arguments: They may be a stranger's words: escape what a person is to read.
        """
        if self._now() < self._quiet_until:
            self._passed_over += 1
            return
        self._quiet_until = self._now() + _EVERY
        self.close()
        self._logger.warning(text, *arguments)

    def close(self) -> None:
        """Report those that no line was written about."""
        if self._passed_over:
            self._logger.warning("... and %d more of this kind", self._passed_over)
            self._passed_over = 0
