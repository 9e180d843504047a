"""Steps: what a handler must do once, however often its message is delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.message.envelope import shown
from civitas.state import LongRecord
from civitas.state.in_order import is_piece, write_in_order
from civitas.state.patience import patiently, saved_under

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.state import StateStore

__all__ = ["STEPS", "Happened", "Probe", "Steps", "check_step"]

Probe: TypeAlias = Callable[[], Any] | None
"""What says whether a step was done, sync or async: it returns `Happened`, or None."""

STEPS = "civitas:step:"
"""What the keys of steps begin with; the agent's name, the message's id and the step's own key follow."""


_BEGUN = "begun"
"""In a record without a result: the step had begun."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What the `probe` of a step returns where the step had been done.

    Attributes:
        result: What the step is to return, as if its function had returned it.
    """

    result: Any = None


def check_step(key: object, fn: object, probe: object = None) -> None:
    """Raise `ConfigurationError` where a step has no key, nothing to run, or a probe that is not a function."""
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"a step's key must be non-empty text; got {shown(key)}")
    if not callable(fn):
        hint = ""
        if isinstance(fn, Coroutine):
            fn.close()  # nobody will await it
            hint = ", called already"
        raise ConfigurationError(
            f"step({key!r}, ...) takes a function and its arguments; got {shown(fn)}{hint}. "
            "Write self.step(key, function, *arguments)"
        )
    if probe is not None and not callable(probe):
        if isinstance(probe, Coroutine):
            probe.close()
        raise ConfigurationError(
            f"the probe of step({key!r}, ...) must be a function without arguments; got {shown(probe)}"
        )


class Steps:
    """The recorded steps of one message, kept in the StateStore under its id until it is finished for good.

    Args:
        store: Where results are recorded.
        agent: Name of the agent that handles it.
        message: The message being handled.
    """

    def __init__(self, store: StateStore, agent: str, message: Message) -> None:
        self._store = store
        self._agent = agent
        self.message = message
        """The message being handled."""
        self._keys: set[str] = set()
        self._brought: dict[str, dict[str, Any]] = {}
        self._listed: set[str] | None = None
        """What earlier incarnations had recorded, once it was listed; None also where the store cannot list."""
        self._asked = False

    async def run(
        self,
        key: str,
        work: Callable[[], Awaitable[Any]],
        probe: Callable[[], Awaitable[Any]] | None = None,
    ) -> Any:
        """The recorded result under `key`, or that of `work`, recorded before this returns.

        With a `probe`, it is recorded that `work` begins, too; where an earlier try did not come to its end, `probe`
        is asked before `work` is begun again.
        """
        where = self._prefix + key
        recorded: Mapping[str, Any] | None = None
        if await self._may_be_recorded(where):
            recorded = await saved_under(self._store, where, self._agent)
        self._keys.add(where)
        if recorded is None or _BEGUN in recorded:
            done = await _probed(key, probe) if recorded is not None and probe is not None else None
            if done is None and recorded is None and probe is not None:
                await self._record(where, {_BEGUN: True})
            found = await work() if done is None else done.result
            # What the first run returns is what a later one would read.
            result = decode(encode({"result": found}, f"step {key!r}"))
            await self._record(where, result)
            recorded = result
        return recorded["result"]

    async def _record(self, where: str, value: dict[str, Any]) -> None:
        if not (beside := self.take_brought()):
            await patiently(lambda: self._store.set(where, value), self._agent)
            return
        all_ = {**beside, where: value}
        await patiently(lambda: write_in_order(self._store, {}, all_, (), expect={}), self._agent)

    # What is known of the message as a whole.

    def bring(self, key: str, value: dict[str, Any]) -> None:
        """Record `value` under `key` together with the next step, in one write where the store has batches."""
        self._brought[self._prefix + key] = value

    def take_brought(self) -> Mapping[str, dict[str, Any]]:
        """What is to be recorded with the next step, by its keys in the store: for whoever writes that itself."""
        brought, self._brought = self._brought, {}
        self._keys.update(brought)
        return brought

    async def brought(self, key: str) -> Mapping[str, Any] | None:
        """What an earlier delivery had recorded under `key` with `bring`; None if it had not."""
        where = self._prefix + key
        if not await self._may_be_recorded(where):
            return None
        self._keys.add(where)
        return await saved_under(self._store, where, self._agent)

    @property
    def is_known(self) -> bool:
        """Whether it is known what earlier deliveries recorded: after `brought`, and only if the store can list."""
        return self._listed is not None

    async def start_over(self) -> None:
        """Forget what is recorded, as far as that is known, as if the message had come for the first time."""
        self._keys.update(self._listed or ())
        await self._drop_all()
        self._keys.clear()
        self._listed = set()

    def places(self, keys: Iterable[str]) -> list[str]:
        """Where in the store these steps of this incarnation are recorded, for whoever drops them before `forget`."""
        return [where for where in map(self._prefix.__add__, keys) if where in self._keys]

    def dropped(self, places: Iterable[str]) -> None:
        """What is in these places is dropped."""
        self._keys.difference_update(places)

    def passing_key(self, name: str) -> str:
        """A key for what is dropped with the steps, and is not a step."""
        where = f"{self._prefix}:{name}"
        self._keys.add(where)
        return where

    async def _may_be_recorded(self, where: str) -> bool:
        """Whether to look: one list for the message costs less than a look for each of its steps."""
        if not self._asked:
            keys = getattr(self._store, "keys", None)
            listed = await patiently(lambda: keys(self._prefix), self._agent) if keys else None
            self._listed = set(listed) if listed is not None else None
            self._asked = True
        return self._listed is None or where in self._listed or where in self._keys

    async def forget(self) -> None:
        """Drop what is recorded: the message is finished."""
        if self.message.attempt:
            # An earlier incarnation may have recorded steps that this one never came to.
            await self._may_be_recorded("")
            self._keys.update(self._listed or ())
        await self._drop_all()

    async def _drop_all(self) -> None:
        # All at once, for a store that groups its writes.
        await asyncio.gather(*(self._drop(key) for key in self._keys))

    async def _drop(self, key: str) -> None:
        passing = key.startswith(f"{self._prefix}:") and not is_piece(key)
        # What passes may be long, and in pieces.
        drop = partial(LongRecord.forget, self._store) if passing else self._store.delete
        await patiently(lambda: drop(key), self._agent)

    @property
    def _prefix(self) -> str:
        return f"{STEPS}{self._agent}/{self.message.id}/"


async def _probed(key: str, probe: Callable[[], Awaitable[Any]]) -> Happened | None:
    """What `probe` knows of a step that had begun."""
    found = await probe()
    if found is None or isinstance(found, Happened):
        return found
    raise ConfigurationError(
        f"the probe of step({key!r}, ...) returned {shown(found)}. Return civitas.Happened(result) if the step was "
        "done, or None if it was not; the step is not run again before that is known"
    )
