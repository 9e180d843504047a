"""Options as they are given in Python or in a topology: by name, as they are, or as a function that makes one."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["named", "needs", "taking_message"]


def named(given: Any, keyword: str, where: str) -> Any:
    """What the text `given` names, as in a topology; anything else as it is.

    Raises:
        ConfigurationError: It cannot be resolved.
    """
    if not isinstance(given, str):
        return given
    if ":" not in given:
        raise ConfigurationError(
            f"{where}: {keyword}={given!r} does not name an object; write module:name"
        )
    try:
        return pkgutil.resolve_name(given)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{where}: {keyword}={given!r} cannot be resolved: {error}. Write module:name"
        ) from error


def taking_message(make: Callable[..., Any], keyword: str, where: str) -> Callable[[Message], Any]:
    """`make` as a function of the message, even if it needs no argument.

    Raises:
        ConfigurationError: It needs more than that, or is a class whose one argument is something else.
    """
    needed = needs(make)
    if not needed:
        return lambda message: make()
    if len(needed) == 1 and needed[0].kind is not inspect.Parameter.KEYWORD_ONLY:
        if isinstance(make, type) and not _is_message(needed[0]):
            raise ConfigurationError(
                f"{where}: {keyword} is the class {make.__qualname__}, which needs {needed[0].name!r}, and only the "
                f"message is known here. Give a function from the message that makes one, such as lambda message: "
                f"{make.__qualname__}(message.sender)"
            )
        return make
    raise ConfigurationError(
        f"{where}: {keyword} is made by a function or a class without arguments, or with the message as its one; "
        f"{getattr(make, '__qualname__', make)} needs {', '.join(each.name for each in needed)}"
    )


def _is_message(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return parameter.name == "message" or kind.rpartition(".")[2] == "Message"


def needs(make: Callable[..., Any]) -> list[inspect.Parameter]:
    """The arguments that `make` cannot be called without."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # some built-in types have none
        return []
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in parameters if each.default is each.empty and each.kind not in rest]
