"""What one message says of the run that it begins: the run options of a framework, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from civitas.errors import ConfigurationError, PayloadError

__all__ = ["CONFIG", "config_of_message", "with_config"]

CONFIG = "civitas-config"
"""The header that carries it, as JSON."""


def with_config(headers: Mapping[str, str] | None, config: Mapping[str, Any]) -> Mapping[str, str]:
    """`headers` with `config`.

    Raises:
        ConfigurationError: `config` is not a dict.
        PayloadError: Something in it is not JSON.
    """
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"config must be a dict of a framework's run options; got {type(config).__name__}"
        )
    try:
        text = json.dumps(dict(config), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PayloadError(
            "config",
            f"it travels as JSON, and this cannot ({error}); give what cannot to the agent",
        ) from None
    return {**(headers or {}), CONFIG: text}


def config_of_message(headers: Mapping[str, str]) -> dict[str, Any]:
    """What `with_config` put there; nothing by default."""
    found: dict[str, Any] = json.loads(headers.get(CONFIG, "{}"))
    return found
