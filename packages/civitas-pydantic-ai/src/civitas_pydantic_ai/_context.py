"""What a run gets as `deps`, Pydantic AI's own context of tools and instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from civitas.frameworks.given import named, taking_message
from civitas.frameworks.kept_context import KeptContext
from civitas.frameworks.plain_data import copied
from civitas.message import Message
from civitas_pydantic_ai._payload import NO_DEPS

__all__ = ["Deps", "OneRunsDeps"]


@dataclass(frozen=True)
class OneRunsDeps:
    """The deps of one run.

    Attributes:
        value: They.
        told: Those of the payload; `NO_DEPS` if it has none.
        kept: What their plain parts are kept with; None for an object that all runs have.
    """

    value: Any
    told: Any
    kept: KeptContext | None

    def dump(self) -> dict[str, Any]:
        """What the run needs of them when it goes on later."""
        told = {} if self.told is NO_DEPS else {"told": self.told}
        changed = {} if self.kept is None else self.kept.changed()
        return {**told, "changed": changed} if changed else told


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
        self,
        message: Message,
        told: Any,
        kind: Any,
        refuse: Callable[[str, str], NoReturn],
        left: Mapping[str, Any],
    ) -> OneRunsDeps:
        """The deps of the run for `message`.

        Args:
            message: The message.
            told: The `deps` of its payload; `NO_DEPS` if there are none.
            kind: The agent's `deps_type`.
            refuse: Refuses the payload.
            left: Of a run that goes on, what `OneRunsDeps.dump` told.
        """
        told = left.get("told", told)
        if self._make is not None:
            made = self._make(_with_deps(message, told) if left else message)
            value = await made if hasattr(made, "__await__") else made
        elif told is NO_DEPS:
            return OneRunsDeps(self._given, told, None)
        elif self._given is not None:
            refuse("payload.deps", "the agent has its own; leave them out")
        elif kind in (None, type(None)):
            refuse(
                "payload.deps",
                "the agent takes none: its `deps_type` says what a payload may bring along",
            )
        else:
            value = copied(told) if kind is object else _read(told, kind, refuse)
        kept = KeptContext(value)
        kept.begin(left.get("changed"))
        return OneRunsDeps(value, told, kept)


def _with_deps(message: Message, told: Any) -> Message:
    """The answer of a human as if it were the message that began the run, as far as deps are made of that."""
    return Message(
        payload={} if told is NO_DEPS else {"deps": told},
        id=message.id,
        sender=message.sender,
        recipient=message.recipient,
        conversation=message.conversation,
        headers=message.headers,
        timestamp=message.timestamp,
    )


def _read(told: Any, kind: Any, refuse: Callable[[str, str], NoReturn]) -> Any:
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError as error:
        refuse("payload.deps", f"they do not fit: {error}")
    except PydanticUserError as error:
        refuse("payload.deps", f"{kind!r} cannot be made of plain data: {error}")
