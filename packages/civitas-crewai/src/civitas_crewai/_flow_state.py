"""The state of a flow as plain data: what a method changes of it, and how that is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from civitas_crewai._packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crewai.flow.flow import Flow

__all__ = ["changes", "fields_of", "name_state", "put"]


def fields_of(flow: Flow[Any]) -> dict[str, Any]:
    """The fields of the state, packed.

    Raises:
        PayloadError: One cannot be kept; names the path to it.
    """
    return {name: pack(value, strict=True) for name, value in _items(flow.state)}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What became of the fields, for `put`: not of all of them, as methods may run at once."""
    new = {
        name: value for name, value in after.items() if name not in before or before[name] != value
    }
    return {"set": new, "gone": [name for name in before if name not in after]}


def put(flow: Flow[Any], fields: Mapping[str, Any], gone: Iterable[str] = ()) -> None:
    """Put packed fields into the state."""
    state: Any = flow.state
    for name, packed in fields.items():
        value = unpack(packed)
        if isinstance(state, dict):
            state[name] = value
        else:  # so that what is declared is made of plain data
            state.__pydantic_validator__.validate_assignment(state, name, value)
    for name in gone:
        if isinstance(state, dict):
            state.pop(name, None)


def name_state(flow: Flow[Any], run: str) -> None:
    """Give the state an id that is the same each time the run is gone through."""
    id = str(uuid5(NAMESPACE_URL, f"civitas:{run}"))
    if isinstance(flow.state, dict):
        flow.state["id"] = id
    else:
        flow.state.id = id


def _items(state: Any) -> Iterable[tuple[str, Any]]:
    # A model is its fields, and what else it lets be put into it.
    return state.items() if isinstance(state, dict) else iter(state)
