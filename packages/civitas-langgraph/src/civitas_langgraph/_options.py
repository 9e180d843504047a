"""The run options that an agent is made with: LangGraph's `config` and `context`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import CONFIG_KEYS

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.frameworks.given import named, taking_message

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import Durability

    from civitas.message import Message

__all__ = [
    "checked_durability",
    "checked_history",
    "config_of",
    "with_config",
]


def config_of(given: Any, where: str) -> Callable[[Message], RunnableConfig]:
    """The configuration of the run, for each message.

    Args:
        given: LangGraph's configuration, a function from a message to one, or the ``module:name`` of either.
        where: The agent, for an error.

    Raises:
        ConfigurationError: It is something else, or has a key that LangGraph does not know.
    """
    given = named(given, "config", where)
    if callable(given):
        make = taking_message(given, "config", where)
        return lambda message: _checked(make(message), where)
    config = _checked(given, where)
    return lambda message: config


def with_config(given: RunnableConfig, told: Mapping[str, Any], where: str) -> RunnableConfig:
    """`given`, and what a message brings along, which counts where both say something.

    Raises:
        ConfigurationError: As for `config_of`.
    """
    if not told:
        return given
    checked = _checked(told, where)
    config: RunnableConfig = {**given, **checked}
    config["configurable"] = {**given.get("configurable", {}), **checked.get("configurable", {})}
    return config


def _checked(config: Any, where: str) -> RunnableConfig:
    """`config`, if it is one of LangGraph's: LangGraph ignores what it does not know."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigurationError(
            f"{where}: config must be a dict with {_known()}, or a function from a message to one; "
            f"got {type(config).__name__}"
        )
    for key in config:
        if key in CONFIG_KEYS:
            continue
        hint = did_you_mean(key, CONFIG_KEYS) or "; Your own keys go under 'configurable'."
        raise ConfigurationError(f"{where}: config takes no {key!r}{hint} It takes: {_known()}")
    configurable = config.get("configurable")
    if configurable is not None and not isinstance(configurable, Mapping):
        raise ConfigurationError(
            f"{where}: config['configurable'] must be a dict; got {type(configurable).__name__}"
        )
    for key in ("recursion_limit", "max_concurrency"):
        number = config.get(key)
        whole = isinstance(number, int) and not isinstance(number, bool) and number > 0
        if number is not None and not whole:
            raise ConfigurationError(
                f"{where}: config[{key!r}] must be a whole number > 0; got {number!r}"
            )
    return {**config}  # type: ignore[typeddict-item]


def checked_durability(given: Any, where: str, *, durable: bool) -> Durability | None:
    """`given`, if it is one of LangGraph's modes, and not one that a durable run cannot have.

    Raises:
        ConfigurationError: It is not.
    """
    if given not in (None, "sync", "async", "exit"):
        raise ConfigurationError(
            f"{where}: durability must be 'sync', 'async' or 'exit', as LangGraph has it; got {given!r}"
        )
    if durable and given in ("async", "exit"):
        raise ConfigurationError(
            f"{where}: durability must be 'sync' with durable=True, which keeps a run at each step; got {given!r}"
        )
    return given  # type: ignore[no-any-return]


def checked_history(given: Any, where: str) -> int | None:
    """How many checkpoints `given` says; None for all.

    Raises:
        ConfigurationError: It says something else.
    """
    if given is True or given == "all":
        return None
    if given is False:
        return 1
    if not isinstance(given, int) or given < 1:
        raise ConfigurationError(
            f"{where}: history must be a whole number of checkpoints > 0, or 'all'; got {given!r}"
        )
    return given


def _known() -> str:
    return ", ".join(CONFIG_KEYS)
