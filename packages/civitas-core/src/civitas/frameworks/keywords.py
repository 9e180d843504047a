"""The keywords that every adapter hands on to `AgentProcess`, for type checkers and for clear errors."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypedDict

from civitas.errors import ConfigurationError
from civitas.process import Delivery, RestartType

__all__ = ["AgentKeywords", "check_keywords"]


class AgentKeywords(TypedDict, total=False):
    """The keywords of `AgentProcess`, which says what they mean."""

    mailbox_size: int
    restart: RestartType | str
    shutdown_timeout: float | None
    max_retries: int
    handle_timeout: float | None
    cancel_on_timeout: bool
    delivery: Delivery | str
    max_deliveries: int


def check_keywords(kind: type, name: str, keywords: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for a keyword that no agent takes, with the nearest that `kind` does take."""
    for word in keywords:
        if word not in AgentKeywords.__annotations__:
            own = [
                parameter.name
                for parameter in inspect.signature(kind).parameters.values()
                if parameter.kind is parameter.KEYWORD_ONLY
            ]
            words = [*own, *AgentKeywords.__annotations__]
            near = difflib.get_close_matches(word, words, 1)
            raise ConfigurationError(
                f"{kind.__name__}({name!r}) takes no {word!r}"
                + (f"; did you mean {near[0]!r}? " if near else ". ")
                + f"It takes: {', '.join(words)}"
            )
