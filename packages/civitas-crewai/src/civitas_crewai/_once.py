"""The calls that a run makes once, of models and of tools: which begin, and which were made already."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crewai.hooks.dispatch import HookAborted
from pydantic import BaseModel

from civitas.errors import BudgetExceeded
from civitas_crewai._packing import pack, unpack
from civitas_crewai._payload import totals_of

if TYPE_CHECKING:
    from crewai.llms.base_llm import BaseLLM

    from civitas.budgets import Reservation
    from civitas.frameworks import Progress, Run
    from civitas.process.ambiguous import CallNote
    from civitas_crewai._own_loop import Bridge

__all__ = ["MadeCalls", "counting", "fail", "scope", "settle"]


@dataclass(eq=False)
class _Try:
    """One attempt of an agent at a task, with what it asked so far.

    Attributes:
        agent: The agent.
        number: How many of its attempts had failed before.
        above: What it is part of, or came after.
        asked: The digests of its calls.
        failed: Whether the last of them failed.
    """

    agent: Any
    number: int
    above: _Try | None
    asked: list[str] = field(default_factory=list)
    failed: bool = False


_try: ContextVar[_Try | None] = ContextVar("civitas_crewai_try", default=None)

scope: ContextVar[str | None] = ContextVar("civitas_crewai_scope", default=None)
"""The step of a flow that calls are made in: they are not asked for again once that is kept as a whole."""

# What the call that goes on here has used so far.
_used: ContextVar[Counter[str] | None] = ContextVar("civitas_crewai_used", default=None)


class BudgetUsedUp(HookAborted):
    """A call of a model was not made. CrewAI lets this kind through everywhere, and does not try again."""


class MadeCalls:
    """Makes the calls of one run, in the threads they come from.

    A call is recognized by what is asked, and by how often that was asked before: a crew that is run again asks the
    same as before, whichever of its tasks comes first.

    Args:
        run: The run.
        bridge: To the agent's loop.
        made: The results of calls by their keys, from before the run was interrupted; None: results need not be kept,
            as nothing interrupts this run.
    """

    def __init__(self, run: Run, bridge: Bridge, made: dict[str, Any] | None) -> None:
        self._run = run
        self._bridge = bridge
        self._before = frozenset(made or ())
        self.made = made
        """What the run continues from when it is interrupted."""
        self.usage: Counter[str] = Counter()
        """What the models' calls used, those made before an interruption among them; tokens and requests by kind."""
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def progress(self) -> Progress:
        """Where to note what the run is doing."""
        return self._run.progress

    @property
    def watched(self) -> bool:
        """Whether the run is ended when it makes no progress."""
        return self._run.watched

    @property
    def keeps(self) -> bool:
        """Whether results are kept, as the run may be gone through again."""
        return self.made is not None or self._run.durable

    def use(self, usage: Mapping[str, int]) -> None:
        """Tokens and requests, by kind, that the call which goes on here has used."""
        used = _used.get()
        with self._lock:
            (self.usage if used is None else used).update(usage)
            if used is None:
                self._run.progress.uses(*totals_of(self.usage))

    def key(self, kind: str, about: Any) -> str:
        """The key of a call that is about to be made.

        Args:
            kind: `model`, `tool` or `memory`.
            about: What is asked of whom; the same each time the crew is run.
        """
        if (inside := scope.get()) is not None:
            about = [inside, about]
        text = json.dumps(about, sort_keys=True, default=_told_apart)
        digest = f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        with self._lock:
            self._asked[digest] += 1
            for each in _tries():
                each.asked.append(digest)
            return f"{digest}:{self._asked[digest]}"

    def reserve(self, model: BaseLLM, messages: Any) -> Reservation:
        """Reserve a call of a model.

        Raises:
            BudgetUsedUp: A budget has no room for it.
        """
        longest = getattr(model, "max_tokens", None) or getattr(
            model, "max_completion_tokens", None
        )
        try:
            return self._run.reserve_in_thread(
                model.model, messages, longest if isinstance(longest, int) else None
            )
        except BudgetExceeded as error:
            raise BudgetUsedUp(str(error), source="civitas") from error

    def tries(self, agent: Any, number: int) -> None:
        """An agent begins with a task here, or tries it again.

        If it does so because a call failed, what it called before that is not called again. Where its own code or
        CrewAI's failed, the models are asked again: the same answers would fail the same way.

        Args:
            agent: The agent.
            number: How many of its tries failed so far.
        """
        if not self.keeps:
            return
        before = _try.get()
        again = before is not None and before.agent is agent and before.number != number
        if before is not None and again:
            if before.failed:
                with self._lock:
                    self._asked.subtract(before.asked)
            before = before.above
        _try.set(_Try(agent, number, before))

    def answered(self, key: str) -> bool:
        """Whether the call was made before the run was interrupted: whoever listens has heard of it."""
        return key in self._before

    def make(
        self,
        key: str,
        call: Callable[[], Any],
        *,
        failures: bool = False,
        used: Callable[[Mapping[str, int]], None] | None = None,
        note: CallNote | None = None,
    ) -> Any:
        """The result of a call: that of `call()`, in this thread, or the one that is kept.

        Args:
            key: Of the call.
            call: Makes it.
            failures: Whether an exception is a result that is kept, too, as a tool's is: CrewAI tells the model.
            used: Told what the call used, also where its result was kept.
            note: What it is, for whoever is asked about it; see `Run.once`.

        Raises:
            RunOver: The run is over; what came of the call is dropped.
        """
        self._bridge.check()
        usage: Mapping[str, int]
        if self.keeps:
            try:
                kept = self._kept(key, call, failures, note)
            except Exception:
                self._free(key)
                raise
            usage, packed = _opened(kept)
            # In place of what the call returned: the crew sees the same now and when it is run again.
            result = unpack(packed)
        else:
            usage = spent = Counter[str]()
            try:
                with self._run.keyed(key), counting(spent):
                    result = call()
            except Exception:
                self.use(spent)  # the call is not gone through again, which would tell it
                raise
            self._bridge.check()
        # A tool's is that of the models which were called in it, as when an agent delegates.
        if usage:
            self.use(usage)
            if used is not None:
                used(usage)
        return result

    def _free(self, key: str) -> None:
        """The same call, made again after this one failed, has the same key: as it will when the crew is run again."""
        digest, _, number = key.rpartition(":")
        with self._lock:
            if self._asked[digest] == int(number):
                self._asked[digest] -= 1
                for each in _tries():
                    if digest in each.asked:  # not in those that began inside the call
                        each.asked.remove(digest)

    def _kept(
        self, key: str, call: Callable[[], Any], failures: bool, note: CallNote | None
    ) -> Any:
        """What is kept of a call; the call is made if nothing is."""
        if self.made is not None and key in self.made:
            return self.made[key]

        def packing() -> Any:
            usage = Counter[str]()
            with counting(usage):
                packed = _packed(call) if failures else pack(call())
            return {"used": dict(usage), "result": packed} if usage else packed

        if self._run.durable:
            packed = self._once(key, packing, note)
        else:
            with self._run.keyed(key), _noticing():
                packed = packing()
            self._bridge.check()
        if self.made is not None:
            self.made[key] = packed
        return packed

    def _once(self, key: str, call: Callable[[], Any], note: CallNote | None) -> Any:
        """`Run.once` for a call that belongs in this thread; the agent's loop looks up and records."""
        turn: Future[asyncio.Future[Any]] = Future()

        async def here() -> Any:
            result = asyncio.get_running_loop().create_future()
            turn.set_result(result)
            return await result

        recorded = self._bridge.submit(self._run.once(key, here, note=note))
        concurrent.futures.wait((turn, recorded), return_when=concurrent.futures.FIRST_COMPLETED)
        if not turn.done():
            return self._bridge.result(recorded)
        loop, result = self._bridge.loop, turn.result()
        try:
            with self._run.keyed(key), _noticing():
                packed = call()
        except Exception as error:
            loop.call_soon_threadsafe(fail, result, error)
            raise
        except BaseException:
            loop.call_soon_threadsafe(result.cancel)
            raise
        loop.call_soon_threadsafe(settle, result, packed)
        return self._bridge.result(recorded)


def _tries() -> Iterator[_Try]:
    each = _try.get()
    while each is not None:
        yield each
        each = each.above


@contextmanager
def _noticing() -> Iterator[None]:
    failed = True
    try:
        yield
        failed = False
    finally:
        for each in _tries():
            each.failed = failed


@contextmanager
def counting(usage: Counter[str]) -> Iterator[None]:
    """Inside the block, what is used is that of one call."""
    token = _used.set(usage)
    try:
        yield
    finally:
        _used.reset(token)


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Give a call's result to whoever records it; on the loop of the future."""
    if not future.done():
        future.set_result(value)


def fail(future: asyncio.Future[Any], error: Exception) -> None:
    """As `settle`, for a call that failed."""
    if not future.done():
        # The thread raises it; whoever records only has to know that the call has ended.
        future.set_exception(RuntimeError(str(error)))


def _told_apart(value: object) -> str:
    """What stands for a value that JSON cannot express; the same each time the crew is run."""
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, (date, time, timedelta, Decimal, Enum, PurePath, UUID)):
        return str(value)
    return type(value).__qualname__  # the text of others may hold where they are in memory


def _opened(packed: Any) -> tuple[Mapping[str, int], Any]:
    """What a call used, and its packed result."""
    if isinstance(packed, dict) and "used" in packed:
        return packed["used"], packed["result"]
    return {}, packed


def _packed(call: Callable[[], Any]) -> Any:
    try:
        return pack(call())
    except HookAborted:  # it ends the run, and is not a result
        raise
    except Exception as error:
        return {"failed": type(error).__name__, "text": str(error)}
