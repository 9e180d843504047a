"""Steps: what a handler must do once, however often its message is delivered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.message.envelope import shown
from civitas.process.ambiguous import Happened, NobodyKnows, happened
from civitas.process.open_calls import OpenCalls
from civitas.process.step_in_thread import StepInThread, Writes, writes_in_thread
from civitas.state import LongRecord
from civitas.state.in_order import is_piece, write_in_order
from civitas.state.patience import patiently, saved_under

if TYPE_CHECKING:
    from civitas.message import Message
    from civitas.process.ambiguous import Ambiguity, CallNote
    from civitas.process.progress import Progress
    from civitas.process.trail import StepTaken
    from civitas.state import StateStore

__all__ = ["SPENT", "STEPS", "Probe", "Steps", "check_step"]

logger = logging.getLogger("civitas")

Probe: TypeAlias = Callable[[], Any] | None
"""What says whether a step was done, sync or async: it returns `Happened`, or None."""

SPENT = "civitas:spent"
"""The key among the steps of a message under which is what its models used and cost."""

STEPS = "civitas:step:"
"""What the keys of steps begin with; the agent's name, the message's id and the step's own key follow."""


_AROUND = len(encode({"result": None})) - 1
"""Bytes around a result that is recorded."""
_BEGUN = "begun"
"""In a record without a result: the step had begun."""


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
        ambiguity: What it does about calls of whose results nothing is known; None if it repeats them all.
    """

    def __init__(
        self, store: StateStore, agent: str, message: Message, ambiguity: Ambiguity | None = None
    ) -> None:
        self._store = store
        self._agent = agent
        self.message = message
        """The message being handled; another one only of the same id."""
        self._prefix = f"{STEPS}{agent}/{message.id}/"
        self.kept = False
        """Whether they stay when the message is finished: a human is asked about them."""
        self.beside: list[str] = []
        """Keys of what goes before them."""
        self._ambiguity = ambiguity
        self.open: OpenCalls | None = None
        """The calls that had begun, if those are noted."""
        if ambiguity is not None:
            self.open = OpenCalls(store, f"{self._prefix}:open", agent)
        self._keys: set[str] = set()
        self._brought: dict[str, dict[str, Any]] = {}
        self._listed: set[str] | None = None
        """What earlier incarnations had recorded, once it was listed; None also where the store cannot list."""
        self._asked = False
        self._progress: Progress | None = None
        self._paying = asyncio.Lock()
        """Held while it is recorded what models cost: no result of theirs is to be there before that."""

    @property
    def owner(self) -> str:
        """Under whose name they are recorded."""
        return self._agent

    async def run(
        self,
        key: str,
        work: Callable[[], Awaitable[Any]],
        probe: Callable[[], Awaitable[Any]] | None = None,
        note: CallNote | None = None,
        taken: StepTaken | None = None,
        here: StepInThread | None = None,
    ) -> Any:
        """The recorded result under `key`, or that of `work`, recorded before this returns.

        With a `probe`, it is recorded that `work` begins, too; where an earlier try did not come to its end, `probe`
        is asked before `work` is begun again. With a `note`, that is recorded of a call that the agent is to ask about.
        `taken` learns how large the result is, and whether it was recorded before. `here` is what `work` calls, if that
        may record the result itself.
        """
        where = self._prefix + key
        recorded = await self.recorded(key)
        if recorded is None and note is not None and self._notes(note):
            return await self._noted(key, work, probe, note, taken)
        if recorded is None or _BEGUN in recorded:
            done = await _asked(key, probe) if recorded is not None and probe is not None else None
            if done is None and recorded is None and probe is not None:
                await self._record(where, {_BEGUN: True})
            try:
                found = await work() if done is None else done.result
            except BaseException:
                if here is not None:
                    here.leave()
                raise
            result = here.result if here is not None else None
            if result is None:
                result = _as_read(key, found, taken)
            if here is None or not here.recorded:
                await self._record(where, result)
            recorded = result
        elif taken is not None:
            taken.recorded, taken.bytes = True, _size_of(recorded)
        return recorded["result"]

    @property
    def in_threads(self) -> Writes | None:
        """Where the thread of a plain `def` records its result; None if it cannot."""
        return writes_in_thread(self._store) if self._ambiguity is None else None

    def in_thread(
        self, key: str, function: Callable[..., Any], taken: StepTaken | None, store: Writes
    ) -> StepInThread:
        """What to call in place of a plain `def`, for `run`."""
        as_recorded = partial(_as_read, key, taken=taken)
        return StepInThread(function, as_recorded, self._prefix + key, store, self._goes_alone)

    def _goes_alone(self) -> bool:
        """Whether nothing is to be recorded with the next step."""
        owes = self._progress is not None and (self._progress.owes or self._paying.locked())
        return not owes and not self._brought

    async def _record(self, where: str, value: dict[str, Any]) -> None:
        progress = self._progress
        if progress is not None and (progress.owes or self._paying.locked()):
            async with self._paying:
                if progress.owes:
                    await self._write(where, value)
                    return
        await self._write(where, value)

    async def _write(self, where: str, value: dict[str, Any]) -> None:
        if not (beside := self.take_brought()):
            await patiently(lambda: self._store.set(where, value), self._agent)
            return
        all_ = {**beside, where: value}
        await patiently(lambda: write_in_order(self._store, {}, all_, (), expect={}), self._agent)

    async def recorded(self, key: str) -> Mapping[str, Any] | None:
        """What is recorded under `key`, with its `result` if it has one; None for nothing."""
        where = self._prefix + key
        recorded = self.open.result(where) if self.open is not None else None
        if recorded is None and await self._may_be_recorded(where):
            recorded = await saved_under(self._store, where, self._agent)
        self._keys.add(where)
        return recorded

    # What is known of the message as a whole.

    async def account_for(self, progress: Progress) -> None:
        """Record what is paid for the message with its steps, and count what earlier deliveries have paid."""
        self._progress = progress
        if not progress.is_whole:
            progress.is_whole = True
            progress.spent_before(await self.brought(SPENT))

    def bring(self, key: str, value: dict[str, Any]) -> None:
        """Record `value` under `key` together with the next step, in one write where the store has batches."""
        self._brought[self._prefix + key] = value

    def take_brought(self) -> Mapping[str, dict[str, Any]]:
        """What is to be recorded with the next step, by its keys in the store: for whoever writes that itself."""
        brought, self._brought = self._brought, {}
        if self._progress is not None and self._progress.owes:
            brought[self._prefix + SPENT] = self._progress.spent()
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

    async def start_over(self, last: str) -> None:
        """Forget what is recorded, as far as that is known, as if the message had come for the first time.

        What was paid stays paid.

        Args:
            last: What was brought under this key is forgotten last: a kill before that leaves it, to be found.
        """
        if self.open is not None:
            self.open.start_over()
        self._keys.update(self._listed or ())
        spent = {self._prefix + SPENT} & self._keys
        self._keys -= {self._prefix + last, *spent}
        await self._drop_all()
        await self._drop(self._prefix + last)
        self._keys, self._listed = spent, set()

    # Calls that are noted.

    def _notes(self, note: CallNote) -> bool:
        return self._ambiguity is not None and self._ambiguity.notes(note)

    async def begins(self, key: str, note: CallNote) -> None:
        """A call begins when this returns, whose result is recorded elsewhere; `settle` says that it has ended."""
        assert self.open is not None
        await self.open.begins(key, note, self.take_brought(), late=True)

    async def _noted(
        self,
        key: str,
        work: Callable[[], Awaitable[Any]],
        probe: Callable[[], Awaitable[Any]] | None,
        note: CallNote,
        taken: StepTaken | None,
    ) -> Any:
        """The result of `work`, whose beginning is in the store before it begins."""
        assert self.open is not None
        if key in self.open.calls and probe is not None:
            try:
                done = await _asked(key, probe)
            except Exception as error:
                logger.warning(
                    "agent %r: the probe of step(%r) failed", self._agent, key, exc_info=error
                )
                raise NobodyKnows from error
            if done is not None:
                return self.settle(key, done, taken)
        await self.open.begins(key, note, self.take_brought(), late=probe is not None)
        try:
            found = await work()
        except Exception:
            # It came to an end, and whoever decides what its error means decides what is done about it.
            if probe is None and not self.is_probed(note.name):
                self.open.ended(key)
            raise
        return self.settle(key, Happened(found), taken)

    def settle(self, key: str, done: Happened | None, taken: StepTaken | None = None) -> Any:
        """It is known what became of a call: recorded with what is written next.

        Args:
            key: Names it.
            done: Its result; None if it did not happen.
            taken: Learns how large that is.
        """
        assert self.open is not None
        if done is None:
            self.open.ended(key)
            return None
        result = _as_read(key, done.result, taken)
        where = self._prefix + key
        self._keys.add(where)
        self.open.ended(key, where, result)
        self.open.write_with_it(self.take_brought())
        return result["result"]

    def is_probed(self, name: str) -> bool:
        """Whether there is a probe for calls of this tool, model or node."""
        return self._ambiguity is not None and name in self._ambiguity.probes

    async def leave(self) -> None:
        """The message is left to the next incarnation, which finds all that is known."""
        if self.open is not None:
            await self.open.save()
            self.open.leave()

    def places(self, keys: Iterable[str]) -> list[str]:
        """Where in the store these steps of this incarnation are recorded, for whoever drops them before `forget`."""
        found = [where for where in map(self._prefix.__add__, keys) if where in self._keys]
        return found if self.open is None else [*found, self.open.key]

    def dropped(self, places: Iterable[str]) -> None:
        """What is in these places is dropped."""
        self._keys.difference_update(places)
        if self._listed is not None:
            self._listed.difference_update(places)
        if self.open is not None:
            for each in places:
                self.open.dropped(each)

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
        if self.open is not None:
            await self.open.close()
            self._keys.add(self.open.key)
        for key in self.beside:
            await patiently(partial(self._store.delete, key), self._agent)
        # An earlier incarnation may have recorded steps that this one never came to.
        if self.message.attempt:
            await self._may_be_recorded("")
        self._keys.update(self._listed or ())
        await self._drop_all()

    async def _drop_all(self) -> None:
        rest = self._keys
        gone = [key for key in rest if not self._passes(key)]
        if len(gone) > 1:  # in one write where the store has batches
            forget = partial(write_in_order, self._store, {}, {}, gone, expect={})
            await patiently(forget, self._agent)
            rest = rest.difference(gone)
        # All at once, for a store that groups its writes.
        await asyncio.gather(*map(self._drop, rest))

    async def _drop(self, key: str) -> None:
        # What passes may be long, and in pieces.
        drop = partial(LongRecord.forget, self._store) if self._passes(key) else self._store.delete
        await patiently(lambda: drop(key), self._agent)

    def _passes(self, key: str) -> bool:
        passing = key.startswith(f"{self._prefix}:") and not is_piece(key)
        return passing and (self.open is None or key != self.open.key)


async def _asked(key: str, probe: Callable[[], Awaitable[Any]]) -> Happened | None:
    """What `probe` knows of a step that had begun."""
    return happened(await probe(), f"step({key!r}, ...)")


def _as_read(key: str, found: Any, taken: StepTaken | None) -> dict[str, Any]:
    """What is recorded of a result: what the first run returns is what a later one would read."""
    raw = encode({"result": found}, f"step {key!r}")
    if taken is not None:
        taken.bytes = len(raw) - _AROUND
    result: dict[str, Any] = decode(raw)
    return result


def _size_of(recorded: Mapping[str, Any]) -> int:
    return len(encode(dict(recorded), "step")) - _AROUND
