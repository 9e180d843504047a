"""Inputs of a flow that its typed state has no field for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import AliasChoices, AliasPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel

from civitas.errors.hints import did_you_mean

__all__ = ["misspelt"]


def misspelt(state: type[BaseModel], inputs: Iterable[str]) -> tuple[str, str] | None:
    """The path of the first input that `state` would ignore, and what is wrong with it; None if there is none."""
    if state.model_config.get("extra") == "allow":
        return None
    validators = state.__pydantic_decorators__.model_validators.values()
    if any(each.info.mode != "after" for each in validators):
        return None  # it may read any input
    names = list(_names(state))
    for each in inputs:
        if each not in names:
            hint = did_you_mean(each, names) or "."
            takes = ", ".join(name for name in names if name != "id") or "no inputs"
            return f"payload.{each}", (
                f"the state of the flow has no field for this input{hint} It takes: {takes}"
            )
    return None


def _names(state: type[BaseModel]) -> Iterator[str]:
    for name, field in state.model_fields.items():
        yield name
        alias = field.validation_alias
        for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            first = each.path[0] if isinstance(each, AliasPath) else each
            if isinstance(first, str) and first != name:
                yield first
