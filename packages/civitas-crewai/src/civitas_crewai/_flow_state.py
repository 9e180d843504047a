"""The state of a flow as plain data: what a method changes of it, and how that is put back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from civitas.errors import ConfigurationError, PayloadError
from civitas.frameworks import plain
from civitas.message import encode, to_plain
from civitas_crewai._exact import pack_exact, unpack_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crewai.flow.flow import Flow

__all__ = ["begin_with", "changes", "check_reply", "fields_of", "keep", "name_state", "put"]

logger = logging.getLogger("civitas")

# Fields that the log has heard of as gone, by the class of the state.
_told: set[tuple[type, str]] = set()


def fields_of(flow: Flow[Any]) -> tuple[dict[str, Any], dict[str, PayloadError]]:
    """The fields of the state, packed; and those that cannot be kept, with why."""
    fields, unkept = {}, {}
    for name, value in _items(flow.state):
        try:
            fields[name] = pack_exact(value, f"state.{name}")
        except PayloadError as error:
            unkept[name] = error
    return fields, unkept


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What became of the fields, for `put`: not of all of them, as methods may run at once."""
    # Compared as they are recorded: 1 and True are equal, and not the same.
    new = {
        name: value
        for name, value in after.items()
        if name not in before or encode(before[name]) != encode(value)
    }
    return {"set": new, "gone": [name for name in before if name not in after]}


def put(flow: Flow[Any], fields: Mapping[str, Any], gone: Iterable[str] = ()) -> None:
    """Put packed fields into the state as they were, whatever its validators would make of them.

    Raises:
        ConfigurationError: A class that they need is not there any more.
    """
    state: Any = flow.state
    try:
        values = _known(flow, fields)
    except PayloadError as error:
        raise ConfigurationError(
            f"what is kept of the state of the flow {type(flow).__name__} cannot be read: {error}"
        ) from error
    if isinstance(state, dict):
        state.update(values)
        for name in gone:
            state.pop(name, None)
        return
    extra = state.__pydantic_extra__
    for name, value in values.items():
        (state.__dict__ if name in type(state).model_fields else extra)[name] = value
        state.__pydantic_fields_set__.add(name)
    for name in gone:
        if extra is not None:
            extra.pop(name, None)


def begin_with(flow: Flow[Any], fields: Mapping[str, Any]) -> None:
    """Begin with the packed fields of a state that another run left.

    Raises:
        ConfigurationError: They do not fit the state, all together.
    """
    put(flow, fields)
    state: Any = flow.state
    if (fitting := _checked(flow, "from the last run of the conversation")) is not None:
        state.__dict__.update(fitting.__dict__)


def _checked(flow: Flow[Any], where: str) -> Any:
    """The state as its class makes it of all its fields at once; None if it is a dict.

    Raises:
        ConfigurationError: The class does not take it; names the field.
    """
    state: Any = flow.state
    if isinstance(state, dict):
        return None
    try:
        return type(state).model_validate(dict(_items(state)), by_name=True)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, ("state", *first["loc"])))
        raise ConfigurationError(
            f"the state of the flow {type(flow).__name__} {where} is not one that its class {type(state).__name__} "
            f"takes: {path}: {first['msg']}. Change the method that sets it, or the class"
        ) from error


def check_reply(flow: Flow[Any], left: Mapping[str, str]) -> None:
    """Refuse a state that a reply cannot carry.

    Args:
        flow: That ran.
        left: The methods that left what cannot be kept, by the fields.

    Raises:
        ConfigurationError: Names the field and the method.
    """
    if _unsent(flow.state, "state") is None:
        return
    found = ((name, _unsent(value, f"state.{name}")) for name, value in _items(flow.state))
    name, error = next(((name, error) for name, error in found if error is not None), ("", None))
    if error is not None:
        raise _left(flow, "sent in a reply", name, error, left) from error


def keep(flow: Flow[Any], left: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the state, packed for the next run of the conversation.

    Args:
        flow: That ran.
        left: The methods that left what cannot be kept, by the fields.

    Raises:
        ConfigurationError: One cannot be kept, or the next run could not begin with them; names the field.
    """
    fields, unkept = fields_of(flow)
    for name, error in unkept.items():
        raise _left(flow, "kept for the conversation", name, error, left) from error
    _checked(flow, "that this run left")
    return fields


def _left(
    flow: Flow[Any], what: str, name: str, error: PayloadError, left: Mapping[str, str]
) -> ConfigurationError:
    who = (
        f"the method {left[name]!r} left it there"
        if left.get(name)
        else "it was there at the start"
    )
    return ConfigurationError(
        f"the state of the flow {type(flow).__name__} cannot be {what}: {error}; {who}. Keep clients and connections "
        "in attributes that the flow's __init__ sets, or the function that builds it"
    )


def _unsent(value: Any, path: str) -> PayloadError | None:
    try:
        to_plain(value, path)
        return None
    except PayloadError as error:
        sent = error
    try:
        plain(value)
        return None
    except PayloadError:
        return sent


def name_state(flow: Flow[Any], run: str) -> None:
    """Give the state an id that is the same each time the run is gone through."""
    id = str(uuid5(NAMESPACE_URL, f"civitas:{run}"))
    if isinstance(flow.state, dict):
        flow.state["id"] = id
    else:
        flow.state.id = id


def _known(flow: Flow[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields unpacked, but those that the class of the state no longer has."""
    state: Any = flow.state
    kind = type(state)
    takes = None
    if not isinstance(state, dict) and kind.model_config.get("extra") != "allow":
        takes = kind.model_fields
    values = {}
    for name, packed in fields.items():
        if takes is not None and name not in takes:
            if (kind, name) not in _told:
                _told.add((kind, name))
                logger.warning(
                    "the state of the flow %s has no field %r any more: what was kept of it is left out",
                    type(flow).__name__,
                    name,
                )
            continue
        values[name] = unpack_exact(packed)
    return values


def _items(state: Any) -> Iterable[tuple[str, Any]]:
    # A model is its fields, and what else it lets be put into it.
    return state.items() if isinstance(state, dict) else iter(state)
