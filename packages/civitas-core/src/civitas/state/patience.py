"""Waiting for a state store that is unavailable, so that nothing has to be done twice because of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from civitas.errors import StateStoreError

if TYPE_CHECKING:
    from civitas.state.store import StateStore

__all__ = ["PATIENCE", "PatientStore", "patiently", "saved_under"]

logger = logging.getLogger("civitas")

PATIENCE = 10.0
"""Seconds to wait for a store that is unavailable."""

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.5

_MORE = (
    "keys",
    "get_with_revision",
    "compare_and_set",
    "get_many",
    "write",
)  # that a store may offer

_Result = TypeVar("_Result")


async def patiently(attempt: Callable[[], Awaitable[_Result]], agent: str) -> _Result:
    """Call `attempt`, a call of a state store, until the store is available again.

    A handler whose state cannot be saved would fail, and its message be handled again with all that it does. A disk
    that is full for a moment, or a server that is started again, is waited for in place instead.

    Args:
        attempt: The call; it may be made again.
        agent: The name of the agent that waits.

    Raises:
        Exception: What `attempt` raised: at once if waiting does not help, otherwise when `PATIENCE` is used up.
    """
    began = time.monotonic()
    try:
        return await _awaited(attempt())
    except Exception as error:
        if not _begins_to_wait(error, began, agent):
            raise
    return await _until_back(attempt, agent, began)


def _begins_to_wait(error: Exception, began: float, agent: str) -> bool:
    """Whether to try again what failed for the first time, which is said then."""
    # A store may have waited by itself for as long.
    if not _is_away(error) or time.monotonic() - began > PATIENCE:
        return False
    logger.warning(
        "agent %r: the state store is unavailable; waiting for it, up to %g s: %s",
        agent,
        PATIENCE,
        error,
    )
    return True


async def _until_back(
    attempt: Callable[[], Awaitable[_Result]], agent: str, began: float
) -> _Result:
    wait = _FIRST_WAIT
    while True:
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
        try:
            result = await _awaited(attempt())
        except Exception as error:
            if not _is_away(error) or time.monotonic() - began > PATIENCE:
                raise
        else:
            logger.warning(
                "agent %r: the state store is back after %.1f s", agent, time.monotonic() - began
            )
            return result


async def saved_under(store: StateStore, key: str, agent: str) -> dict[str, Any] | None:
    """What `store` has under `key`, waiting for the store if it is unavailable.

    Raises:
        StateStoreError: It returned something other than a dict or None.
    """
    found: object = await patiently(lambda: store.get(key), agent)
    if found is not None and not isinstance(found, dict):
        raise StateStoreError(
            f"{type(store).__name__}.get({key!r}) returned {type(found).__name__}; what it returns is what set() was "
            "given, a dict, or None",
            key=key,
        )
    return found


class PatientStore:
    """A state store that is waited for if it is unavailable; see `patiently`.

    Args:
        store: The store. Its other methods are there, too.
        agent: The name of the agent that waits.
    """

    def __init__(self, store: StateStore, agent: str) -> None:
        self._store = store
        self._agent = agent

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`; None if there is none."""
        return await saved_under(self._store, key, self._agent)

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`."""
        # As `patiently` does, without a coroutine more for the many that need not wait.
        began = time.monotonic()
        try:
            await _awaited(self._store.set(key, value))
        except Exception as error:
            if not _begins_to_wait(error, began, self._agent):
                raise
        else:
            return
        await _until_back(lambda: self._store.set(key, value), self._agent, began)

    async def delete(self, key: str) -> None:
        """Forget what is under `key`."""
        await patiently(lambda: self._store.delete(key), self._agent)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # it is being copied, and has no store yet
            raise AttributeError(name)
        found = getattr(self._store, name)
        if name not in _MORE:
            return found

        async def call(*arguments: Any, **keywords: Any) -> Any:
            return await patiently(lambda: found(*arguments, **keywords), self._agent)

        return call


def _awaited(call: Awaitable[_Result]) -> Awaitable[_Result]:
    given: object = call
    if type(given) is not CoroutineType and not inspect.isawaitable(given):
        raise StateStoreError(
            f"the methods of a state store are awaited, and one of this store's returned {type(given).__name__}; "
            "write get, set, delete and keys with `async def`"
        )
    return call


def _is_away(error: Exception) -> bool:
    """Whether a store may be back in a moment: it says so, or its client could not reach it."""
    if isinstance(error, StateStoreError):
        return error.transient
    return isinstance(error, (ConnectionError, TimeoutError))
