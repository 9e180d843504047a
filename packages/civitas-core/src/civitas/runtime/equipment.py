"""What a system has beside its agents: locks, a store, a model, telemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civitas.launch import InUse
from civitas.models import TracedModel
from civitas.process import forget_those_of_the_dead
from civitas.process.built_late import BuiltLate, provided
from civitas.state import InMemoryStateStore
from civitas.telemetry.setup import setup_from_environment

if TYPE_CHECKING:
    from civitas.launch import Hold
    from civitas.node.dead.saved import SavedLetters
    from civitas.runs.acceptance import Acceptance
    from civitas.telemetry.tracing import Tracing

__all__ = ["Equipment"]

_STORE = ("get", "set", "delete")
_MODEL = ("chat",)


class Equipment:
    """What a runtime opens before its agents start, and closes after they have ended.

    Args:
        store: The StateStore.
        model: The ModelProvider, or None.
        owns_store: Whether the store is this runtime's, to be closed with it.
    """

    @classmethod
    def of(cls, state_store: Any, model_provider: Any) -> Equipment:
        """What the keywords of `Runtime` say: each an object, or a function that builds it when the runtime starts.

        Raises:
            ConfigurationError: An object does not fit.
        """
        store: Any = InMemoryStateStore()
        if state_store is not None:
            store = provided(state_store, "state_store", _STORE, "SQLiteStateStore(path)")
        model = model_provider
        if model is not None:
            model = provided(model, "model_provider", _MODEL, "an object with `chat`")
        owns_store = state_store is None or isinstance(store, BuiltLate)
        return cls(store, model, owns_store=owns_store)

    def __init__(self, store: Any, model: Any, *, owns_store: bool) -> None:
        self.holds: Sequence[Hold] = ()
        """The locks that one system has at a time."""
        self.owns_store = owns_store
        self.runs: Acceptance | None = None
        """Keeps the messages of durable agents in the store."""
        self.dead: SavedLetters | None = None
        """Keeps the messages there that nobody will handle."""
        self.store = store
        self._model = model
        self._late_model = model if isinstance(model, BuiltLate) else None
        self._in_use: InUse | None = None

    def model_in(self, tracing: Tracing) -> TracedModel | None:
        """The model, with a span around each call."""
        return None if self._model is None else TracedModel(self._model, tracing)

    def observe(self) -> None:
        """Set up telemetry, as the environment says."""
        self._telemetry = setup_from_environment()

    async def open(self, agents: Collection[str], *, elected: bool = False) -> None:
        """Take the locks and open the rest: what is wrong with it is reported now, not when an agent first needs it.

        Args:
            agents: The names in the tree.
            elected: Whether the root was elected among several. It takes no locks: the processes of the last one may be
                at work, and are taken over.

        Raises:
            StartFailed: A function that builds the store or the model raised.
        """
        for hold in self.holds if not elected else ():
            await hold.take()
        opening = getattr(self.store, "open", None)
        if opening is not None:
            await opening()
        if self._late_model is not None:
            await self._late_model.open()
        if self.runs is not None:
            await self.runs.load()
        if self.dead is not None:
            await self.dead.load()
        is_known = self.runs is None or self.runs.unread is None  # what is unfinished must stay
        if is_known and not elected and not isinstance(self.store, InMemoryStateStore):
            await self._forget_the_dead(agents)

    async def _forget_the_dead(self, agents: Collection[str]) -> None:
        """Drop what earlier runs recorded for messages that ended with them."""
        alone = False
        if isinstance(file := getattr(self.store, "path", None), Path):
            self._in_use = InUse(file)
            alone = await self._in_use.join()
        # Another system may have agents of the same names, and messages in hand.
        unfinished = set(self.runs.message_ids) if self.runs is not None else ()
        await forget_those_of_the_dead(self.store, agents if alone else (), unfinished)
        if self._in_use is not None:
            self._in_use.share()

    async def close(self) -> None:
        """Close what is this runtime's, and hand on the last spans and metrics."""
        if self.dead is not None:
            await self.dead.close()
        if self.owns_store:
            close = getattr(self.store, "close", None)
            if close is not None:
                await close()
        if self._late_model is not None:
            await self._late_model.close()
        if self._telemetry.tracing or self._telemetry.metrics:
            # In a thread: with a collector that does not answer, an export waits for seconds.
            with ThreadPoolExecutor(1, "civitas-telemetry") as thread:
                await asyncio.get_running_loop().run_in_executor(thread, self._telemetry.flush)

    def release(self) -> None:
        """Give the locks back, last of all."""
        in_use, self._in_use = self._in_use, None
        if in_use is not None:
            in_use.leave()
        for hold in self.holds:
            hold.release()
