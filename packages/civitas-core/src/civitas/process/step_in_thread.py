"""`StepInThread`: a step whose function is a plain `def`, which its own thread records where the store allows that."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from civitas.tools.forked import comes_back

__all__ = ["StepInThread", "Writes", "writes_in_thread"]


class Writes(Protocol):
    """A store that may be written by whichever thread has something to write."""

    def _may_set_in_thread(self) -> bool:
        """Whether that is worth a try: nobody else has written lately."""

    def _set_in_thread(
        self, key: str, value: Callable[[], Mapping[str, Any]], may: Callable[[], bool]
    ) -> bool:
        """Store what `value` makes as `set` does, if nobody else is writing, and `may` allows it then.

        Returns:
            Whether it is on the disk. If not, `set` does it, or says why it cannot be done.
        """


def writes_in_thread(store: Any) -> Writes | None:
    """`store`, if it can be written so, and is left alone by others; not if it is of a subclass, which may do more."""
    own = "_set_in_thread" in vars(type(store))
    return store if own and store._may_set_in_thread() else None


class StepInThread:
    """Calls the function of a step in a thread, and records the result there.

    From there to the event loop, from that to the store's thread and back again would take longer than all the rest of
    a step, the disk excepted.

    Args:
        function: What the step does.
        as_recorded: Makes what is recorded of its result.
        key: Where.
        store: The store.
        may: Whether nothing has to be written beside it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        as_recorded: Callable[[Any], dict[str, Any]],
        key: str,
        store: Writes,
        may: Callable[[], bool],
    ) -> None:
        self._function = function
        self._as_recorded = as_recorded
        self._key = key
        self._store = store
        self._may = may
        self._left = False
        self.result: dict[str, Any] | None = None
        """What is recorded of its result; None where that is still to be made."""
        self.recorded = False
        """Whether it is recorded."""

    def __call__(self, *args: Any) -> Any:
        """Call the function; in a thread."""
        found = comes_back(self._function, *args)
        if not self._left and not inspect.isawaitable(found):
            result = partial(self._make, found)
            self.recorded = self._store._set_in_thread(self._key, result, self._may_write)
        return found

    def _make(self, found: Any) -> dict[str, Any]:
        self.result = result = self._as_recorded(found)
        return result

    def leave(self) -> None:
        """Nobody waits for it any more, and the step may be done again: record nothing from now on."""
        self._left = True

    def _may_write(self) -> bool:
        return not self._left and self._may()
