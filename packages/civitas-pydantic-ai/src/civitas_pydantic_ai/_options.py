"""The options of a run, as they are given in Python or in a topology."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_ai import ModelSettings, UsageLimits
from pydantic_ai.models import Model

from civitas.errors import ConfigurationError
from civitas.frameworks.given import named

__all__ = ["read_model", "read_model_settings", "read_usage_limits"]


def read_model(given: Any, where: str) -> Model | str | None:
    """The model, or its name: ``provider:name`` is one of Pydantic AI's."""
    if given is None or isinstance(given, (Model, str)):
        return given
    raise ConfigurationError(
        f"{where}: model must be a Model of Pydantic AI or the name of one, such as 'openai:gpt-5.2'; got {given!r}"
    )


def read_model_settings(given: Any, where: str) -> Any:
    """The `ModelSettings` that `given` is, names or has the fields of, or the function that makes them in a run."""
    found = named(given, "model_settings", where)
    if found is None or callable(found):
        return found
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"{where}: model_settings must be a dict, a function from a RunContext to one, or module:name; "
            f"got {found!r}"
        )
    hints = get_type_hints(ModelSettings)
    settings = dict(found)
    for key, value in found.items():
        if key in hints:
            kind = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True))
            settings[key] = _validated(kind, value, f"{where}: model_settings[{key!r}]")
        # Settings of one provider begin with its name.
        elif "_" not in str(key) or _nearest(key, hints):
            raise ConfigurationError(
                f"{where}: model_settings has no {key!r}{_nearest(key, hints) or '; it has ' + ', '.join(hints)}"
            )
    return settings


def read_usage_limits(given: Any, where: str) -> UsageLimits | None:
    """The `UsageLimits` that `given` is, names, or has the fields of."""
    found = named(given, "usage_limits", where)
    if isinstance(found, Mapping):
        known = [each.name for each in fields(UsageLimits)]
        for key in found:
            if key not in known:
                raise ConfigurationError(
                    f"{where}: usage_limits has no {key!r}{_nearest(key, known) or '; it has ' + ', '.join(known)}"
                )
        found = _validated(TypeAdapter(UsageLimits), dict(found), f"{where}: usage_limits")
    if found is None:
        return None
    if isinstance(found, UsageLimits):
        for name, value in vars(found).items():
            if isinstance(value, (int, float, Decimal)) and value < 0:
                raise ConfigurationError(
                    f"{where}: usage_limits: {name} must not be negative, got {value}"
                )
        return found
    raise ConfigurationError(
        f"{where}: usage_limits must be a UsageLimits, its fields, or module:name; got {found!r}"
    )


def _validated(kind: TypeAdapter[Any], value: Any, what: str) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = "".join(
            f".{each}" for each in first["loc"] if isinstance(each, str) and each in str(value)
        )
        raise ConfigurationError(
            f"{what}{path} does not fit: {first['msg']}, got {first['input']!r}"
        ) from error


def _nearest(key: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(key), list(known), 1, 0.8)
    return f"; did you mean {near[0]!r}?" if near else ""
