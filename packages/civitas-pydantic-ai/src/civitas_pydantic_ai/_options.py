"""The options of a run, as they are given in Python or in a topology."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

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
    # Settings of one provider begin with its name.
    for key in found:
        known = list(ModelSettings.__annotations__)
        near = difflib.get_close_matches(str(key), known, 1, 0.8)
        if key not in known and near:
            raise ConfigurationError(
                f"{where}: model_settings has no {key!r}; did you mean {near[0]!r}?"
            )
    return dict(found)


def read_usage_limits(given: Any, where: str) -> UsageLimits | None:
    """The `UsageLimits` that `given` is, names, or has the fields of."""
    found = named(given, "usage_limits", where)
    if isinstance(found, Mapping):
        try:
            return UsageLimits(**found)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{where}: usage_limits does not fit: {error}") from error
    if found is None or isinstance(found, UsageLimits):
        return found
    raise ConfigurationError(
        f"{where}: usage_limits must be a UsageLimits, its fields, or module:name; got {found!r}"
    )
