"""Restart intensity: how many restarts a supervisor may make within a sliding window (OTP's intensity and period)."""

from __future__ import annotations

from collections import Counter, deque

__all__ = ["RestartIntensity"]


class RestartIntensity:
    """Counts the restarts within a sliding window.

    Args:
        max_restarts: How many are allowed within `window`; 0 allows none.
        window: Seconds.
    """

    def __init__(self, max_restarts: int, window: float) -> None:
        self.max_restarts = max_restarts
        self.window = window
        self._times: deque[tuple[float, str]] = deque()
        # Counted as they come and go: a look through all of them would cost more than a restart where many are allowed.
        self.of: Counter[str] = Counter()
        """How many of the restarts within the window each child caused."""

    def add(self, child: str, now: float) -> bool:
        """Count a restart of `child` at `now`, in seconds of any steady clock.

        Returns:
            Whether it is allowed.
        """
        if self._times and now - self._times[0][0] > self.window:
            self._forget(now)
        self._times.append((now, child))
        self.of[child] += 1
        return len(self._times) <= self.max_restarts

    def left(self, now: float) -> int:
        """How many more are allowed at `now`."""
        within = sum(now - when <= self.window for when, _ in self._times)
        return max(self.max_restarts - within, 0)

    def _forget(self, now: float) -> None:
        while self._times and now - self._times[0][0] > self.window:
            _, child = self._times.popleft()
            self.of[child] -= 1
            if not self.of[child]:
                del self.of[child]
