"""The SDK's `context`: what makes the one of a conversation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError
from civitas.frameworks.given import taking_message

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["factory_of"]


def factory_of(given: Any, where: str) -> Callable[[Message], Any]:
    """From what was given as `context`: a function that makes the one of a conversation.

    Args:
        given: A class or a function, without arguments or with the message as its one; any other object is copied.
        where: The agent, for an error.

    Raises:
        ConfigurationError: It takes other arguments, or cannot be copied.
    """
    if callable(given):
        return taking_message(given, "context", where)
    try:
        copy.deepcopy(given)
    except Exception as error:
        raise ConfigurationError(
            f"{where}: context is one object for all conversations and cannot be copied for each "
            f"({type(error).__name__}: {error}). Give a function or a class that makes one, such as "
            "context=lambda: MyContext(db=pool)"
        ) from error
    return lambda message: copy.deepcopy(given)
