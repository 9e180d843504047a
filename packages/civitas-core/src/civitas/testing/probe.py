"""`Probe`: waits for what happens, instead of sleeping until it may have."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Probe"]

_DEFAULT: Final = 5.0


class Probe:
    """Records what it is called with, and lets a test wait for it.

    Pass it wherever a callback is wanted, or call it from a handler, also in a thread::

        probe = Probe()
        runtime.on("crashed", probe)
        event = await probe.next()

    Args:
        timeout: Seconds that `next`, `expect` and `until` wait, unless they are told otherwise.

    Attributes:
        seen: Everything that was recorded, oldest first, read or not.
    """

    def __init__(self, timeout: float = _DEFAULT) -> None:
        self.seen: list[Any] = []
        self._timeout = timeout
        self._unread: deque[Any] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __call__(self, value: Any = None) -> None:
        """Record `value`."""
        self.seen.append(value)
        self._unread.append(value)
        # All of them: the first may have given up just now, and who finds nothing waits again.
        while self._waiting:
            future = self._waiting.popleft()
            future.get_loop().call_soon_threadsafe(_wake, future)

    async def next(self, timeout: float | None = None) -> Any:
        """The oldest value nobody has read yet; waits for it.

        Raises:
            AssertionError: Nothing came in time; says what came before.
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                while not self._unread:
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.append(future)
                    if self._unread:  # a thread was quicker than we could wait
                        break
                    await future
        except TimeoutError:
            raise AssertionError(f"nothing more within {seconds:g} s; {self._so_far()}") from None
        return self._unread.popleft()

    async def expect(self, wanted: Any, timeout: float | None = None) -> Any:
        """The next value, which must be `wanted`: equal to it, or accepted by it if it is a function.

        Raises:
            AssertionError: It is something else, or nothing came in time.
        """
        value = await self.next(timeout)
        if not _fits(value, wanted):
            raise AssertionError(f"expected {_name(wanted)}, got {value!r}; {self._so_far()}")
        return value

    async def until(self, wanted: Any, timeout: float | None = None) -> Any:
        """The next value that is `wanted`, as in `expect`; what comes before it is skipped.

        Raises:
            AssertionError: It did not come in time.
        """
        seconds = self._timeout if timeout is None else timeout
        end = asyncio.get_running_loop().time() + seconds
        while True:
            value = await self.next(max(end - asyncio.get_running_loop().time(), 0.0))
            if _fits(value, wanted):
                return value

    def nothing(self) -> None:
        """Everything recorded so far has been read.

        Raises:
            AssertionError: It has not.
        """
        if self._unread:
            raise AssertionError(f"expected nothing more, got {list(self._unread)!r}")

    def _so_far(self) -> str:
        return f"recorded so far: {self.seen!r}" if self.seen else "nothing was recorded at all"

    def __repr__(self) -> str:
        return f"<Probe {len(self.seen)} recorded, {len(self._unread)} unread>"


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Callable) and not isinstance(wanted, type):  # type: ignore[arg-type]
        return bool(wanted(value))
    return bool(value == wanted)


def _name(wanted: Any) -> str:
    return getattr(wanted, "__name__", None) or repr(wanted)
