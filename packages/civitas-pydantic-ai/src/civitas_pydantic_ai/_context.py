"""What a run gets as `deps`, Pydantic AI's own context of tools and instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from civitas.frameworks.given import named, taking_message
from civitas_pydantic_ai._payload import NO_DEPS

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["Deps"]


class Deps:
    """The `deps` of the runs of an agent.

    Args:
        given: What all runs get; or a class or a function that makes it for each, without arguments or with the
            message as its one, sync or async. None: a payload may bring them along.
        where: The agent, for an error.

    Raises:
        ConfigurationError: What makes them takes other arguments.
    """

    def __init__(self, given: Any, where: str) -> None:
        found = named(given, "deps", where)
        self._given = found
        self._make = taking_message(found, "deps", where) if callable(found) else None

    async def of(
        self, message: Message, told: Any, kind: Any, refuse: Callable[[str, str], NoReturn]
    ) -> Any:
        """The deps of the run for `message`.

        Args:
            message: The message.
            told: The `deps` of its payload; `NO_DEPS` if there are none.
            kind: The agent's `deps_type`.
            refuse: Refuses the payload.
        """
        if self._make is not None:
            made = self._make(message)
            return await made if hasattr(made, "__await__") else made
        if told is NO_DEPS:
            return self._given
        if self._given is not None:
            refuse("payload.deps", "the agent has its own; leave them out")
        if kind in (object, type(None)):
            return told
        try:
            return TypeAdapter(kind).validate_python(told)
        except ValidationError as error:
            refuse("payload.deps", f"they do not fit: {error}")
        except PydanticUserError as error:
            refuse("payload.deps", f"{kind!r} cannot be made of plain data: {error}")
