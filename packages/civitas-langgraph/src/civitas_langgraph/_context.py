"""LangGraph's `context`: what an agent was given, or one for each conversation or message."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.serde.types import ERROR
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from civitas.errors import ConfigurationError, PayloadError
from civitas.frameworks import current_run, plain
from civitas.frameworks.given import needs, taking_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langgraph.checkpoint.base import BaseCheckpointSaver

    from civitas.frameworks import Run
    from civitas.state import StateStore

__all__ = ["Contexts"]


class Contexts:
    """The contexts of an agent's runs.

    A function or a class without arguments makes one for each conversation; one that takes the message makes one for
    each message that begins a run. What was made is kept, with what its nodes changed, until the run is over or for as
    long as the conversation: whoever resumes a run finds it. Until then, a durable run keeps it at each step in a place
    of its own, so that one that is delivered again finds what its finished nodes left, and one that is given up changes
    nothing.

    Args:
        given: What the agent was given: None, a context, or what makes one.
        schema: The graph's `context_schema`.
        where: The agent, for an error.

    Raises:
        ConfigurationError: The schema needs something and nothing was given, or what makes one takes other arguments.
    """

    def __init__(self, given: Any, schema: Any, where: str) -> None:
        self._given = given
        self._schema = schema if isinstance(schema, type) else None
        is_class = self._schema is not None and (
            dataclasses.is_dataclass(schema) or issubclass(schema, BaseModel)
        )
        if given is None and self._schema is not None:
            if missing := _required(schema):
                raise ConfigurationError(
                    f"{where}: the graph has a context_schema, {schema.__name__}, that needs {', '.join(missing)}, and "
                    "no context was given; give context=, or a function or class that makes one"
                )
            # LangGraph itself would hand the nodes a None.
            self._given = {} if is_class else None
        self.makes = callable(given) and not (is_class and isinstance(given, schema))
        self._of_messages = self.makes and len(needs(given)) > 0
        self._now: tuple[Run, Any, StateStore, str] | None = None
        if self.makes:
            self._make = taking_message(given, "context", where)

    async def begin(self, run: Run, store: StateStore, key: str | None, passing: str | None) -> Any:
        """The context of a run.

        Args:
            run: The run.
            store: Where contexts are kept.
            key: The key of that of its conversation; None if it has none.
            passing: The key under which a durable run keeps it meanwhile; None for any other.
        """
        if not self.makes:
            return self._given
        context = self._make(run.message)
        kept = await store.get(passing) if passing is not None and run.again else None
        if kept is None and key is not None and (run.answers is not None or not self._of_messages):
            kept = await store.get(key)
        if kept is not None:
            context = _restored(context, kept)
        if passing is not None:
            self._now = (run, context, store, passing)
            await self._note()
        return context

    def leave(self) -> None:
        """The run has ended."""
        self._now = None

    def keep_with_steps(self, saver: BaseCheckpointSaver[Any]) -> None:
        """From now on, `saver` keeps the context of a durable run with what its nodes wrote, except one that failed."""
        if self.makes:
            setattr(saver, "aput_writes", self._noting(saver.aput_writes))  # noqa: B010

    def _noting(self, put: Any) -> Any:
        @functools.wraps(put)
        async def note_and_put(
            config: Any, writes: Sequence[tuple[str, Any]], *args: Any, **more: Any
        ) -> Any:
            # First: killed in between, the node is run again, as any that is in flight.
            if all(channel != ERROR for channel, _ in writes):
                await self._note()
            return await put(config, writes, *args, **more)

        return note_and_put

    async def _note(self) -> None:
        if self._now is None:
            return
        run, context, store, passing = self._now
        if current_run.get() is run:  # what goes on after its run was cancelled comes too late
            await store.set(passing, _parts(context))

    async def keep(self, context: Any, store: StateStore, key: str | None, *, over: bool) -> None:
        """A run ended well, or waits for a human: keep its context as it is now, if anybody comes back to it."""
        if not self.makes or key is None:
            return
        if over and self._of_messages:
            await store.delete(key)
        else:
            await store.set(key, _parts(context))


def _required(schema: Any) -> list[str]:
    keys = getattr(schema, "__required_keys__", None)
    if keys is not None:
        return sorted(keys)
    return [each.name for each in needs(schema)]


def _fields(context: Any) -> Mapping[str, Any]:
    if isinstance(context, Mapping):
        return context
    if dataclasses.is_dataclass(context):
        return {each.name: getattr(context, each.name) for each in dataclasses.fields(context)}
    return getattr(context, "__dict__", {})


def _parts(context: Any) -> dict[str, Any]:
    """What of a context is plain data; the rest, such as a client, is made again with it."""
    parts = {}
    for name, value in _fields(context).items():
        try:
            parts[name] = plain(value)
        except PayloadError:
            continue
    return parts


def _restored(context: Any, parts: Mapping[str, Any]) -> Any:
    """A context that was just made, with the parts of one that was kept."""
    if isinstance(context, dict):
        return {**context, **parts}
    try:
        hints = typing.get_type_hints(type(context), include_extras=True)
    except (NameError, TypeError):
        hints = {}
    for name, value in parts.items():
        # Past what freezes it: these are values that it had.
        object.__setattr__(context, name, _typed(hints.get(name, Any), value))
    return context


def _typed(hint: Any, value: Any) -> Any:
    try:
        return TypeAdapter(hint).validate_python(value)
    except (PydanticUserError, ValueError, TypeError):
        return value  # the class says nothing of it
