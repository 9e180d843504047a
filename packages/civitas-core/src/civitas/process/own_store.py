"""The state store as an agent has it: what is its own, it replaces only as long as nobody else has written it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from civitas.state.patience import PatientStore, patiently

if TYPE_CHECKING:
    from civitas.state import RevisionedStore, StateStore

__all__ = ["OwnStore", "store_of"]

_MOST = 1024


class Revisions:
    """The revisions of what an incarnation has read or written of its own, of the latest thousand keys."""

    # Only a store that spans machines needs them.
    __slots__ = ("_known", "_lock")

    def __init__(self) -> None:
        self._lock: asyncio.Lock | None = None
        self._known: OrderedDict[str, int] | None = None

    @property
    def lock(self) -> asyncio.Lock:
        """Held while one of these keys is written."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def of(self, key: str) -> int | None:
        """The revision that is known of a key; None if none is."""
        return self._known.get(key) if self._known is not None else None

    def note(self, key: str, revision: int) -> None:
        """It was read, or written."""
        if self._known is None:
            self._known = OrderedDict()
        self._known[key] = revision
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


class OwnStore(PatientStore):
    """A store that several machines may write, for an incarnation that may have been replaced without knowing.

    Args:
        store: The store.
        agent: The name of the agent.
        owns: Whether a key is the agent's own.
    """

    def __init__(self, store: RevisionedStore, agent: str, owns: Callable[[str], bool]) -> None:
        super().__init__(store, agent)
        self._revisioned = store
        self._owns = owns
        self._revisions = Revisions()

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`; None if there is none."""
        if not self._owns(key):
            return await super().get(key)
        return (await self.get_with_revision(key))[0]

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`.

        Raises:
            StateConflict: It is the agent's own, and somebody else has written it since this incarnation read it.
        """
        if not self._owns(key):
            await super().set(key, value)
            return
        async with self._revisions.lock:
            known = await self._known(key)
            revision = await patiently(
                lambda: self._revisioned.compare_and_set(key, value, known), self._agent
            )
            self._revisions.note(key, revision)

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision."""
        value, revision = await patiently(
            lambda: self._revisioned.get_with_revision(key), self._agent
        )
        self._revisions.note(key, revision)
        return value, revision

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` under `key` if what is there has this revision; return the new one."""
        async with self._revisions.lock:
            new = await patiently(
                lambda: self._revisioned.compare_and_set(key, value, revision), self._agent
            )
            self._revisions.note(key, new)
        return new

    async def delete(self, key: str) -> None:
        """Forget what is under `key`."""
        await super().delete(key)
        if self._owns(key):
            self._revisions.note(key, 0)

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return self._writing(found) if name == "write" else found

    def _writing(self, write: Callable[..., Awaitable[dict[str, int]]]) -> Any:
        async def write_own(
            changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
        ) -> dict[str, int]:
            """Make all of `changes`, or none; of what is the agent's own, only what nobody else has written since."""
            async with self._revisions.lock:
                own = [key for key in changes if self._owns(key)]
                known = {key: await self._known(key) for key in own if key not in expect}
                written = await write(changes, expect={**known, **expect})
                for key in own:
                    self._revisions.note(key, written.get(key, 0))
            return written

        return write_own

    async def _known(self, key: str) -> int:
        known = self._revisions.of(key)
        if known is None:  # it writes what it never read
            await self.get(key)
            known = self._revisions.of(key)
        return known or 0


def store_of(store: StateStore, agent: str, owns: Callable[[str], bool]) -> PatientStore:
    """A state store for an incarnation of an agent, to be kept as long as that runs.

    One that says `spans_machines` may be written by another machine, on which the agent was started again because this
    one was taken for gone. Elsewhere an incarnation has ended before the next one begins.
    """
    if getattr(store, "spans_machines", False):
        return OwnStore(cast("RevisionedStore", store), agent, owns)
    return PatientStore(store, agent)
