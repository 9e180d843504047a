"""The SDK's options of a run, as they are given in Python or in a topology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from agents import RunConfig, RunHooks
from agents.lifecycle import RunHooksBase
from agents.memory import Session
from agents.run_error_handlers import RunErrorHandlers

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.frameworks.given import named

__all__ = [
    "NextTurn",
    "read_error_handlers",
    "read_hooks",
    "read_max_turns",
    "read_next_turn",
    "read_run_config",
    "read_session",
    "refuse_memory_elsewhere",
]

NextTurn = Literal["last_agent", "first_agent"]

_ELSEWHERE = {
    "conversation_id": "keeps one memory for everybody at the provider",
    "previous_response_id": "is one response, and so one memory for everybody",
    "auto_previous_response_id": "keeps the memory of one run at the provider",
}


def refuse_memory_elsewhere(where: str, keywords: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` for the SDK's options that keep the memory at the provider."""
    for word, does in _ELSEWHERE.items():
        if word in keywords:
            raise ConfigurationError(
                f"{where} takes no {word!r}: it {does}, where a run that is repeated after a crash cannot take back "
                "what it said. Memory is kept for each conversation: ask(..., conversation='user-42'); to keep one at "
                "the provider, give session=OpenAIConversationsSession(...)"
            )


def read_run_config(given: Any, where: str) -> RunConfig | None:
    """The `RunConfig` that `given` is, names, or has the fields of."""
    found = named(given, "run_config", where)
    if isinstance(found, Mapping):
        try:
            return RunConfig(**found)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{where}: run_config does not fit: {error}") from error
    if found is None or isinstance(found, RunConfig):
        return found
    raise ConfigurationError(
        f"{where}: run_config must be a RunConfig, its fields, or module:name; got {found!r}"
    )


def read_session(given: Any, where: str) -> Session | None:
    """The `Session` that `given` is or names."""
    found = named(given, "session", where)
    if found is None or (isinstance(found, Session) and not isinstance(found, type)):
        return found
    raise ConfigurationError(
        f"{where}: session must be a Session of the SDK, or module:name; got {found!r}"
    )


def read_hooks(given: Any, where: str) -> RunHooks[Any] | None:
    """The `RunHooks` that `given` is or names."""
    found = named(given, "hooks", where)
    if found is None or isinstance(found, RunHooksBase):
        return found
    raise ConfigurationError(
        f"{where}: hooks must be a RunHooks object, or module:name; got {found!r}. "
        "AgentHooks belong to an agent: Agent(hooks=...)"
    )


def read_error_handlers(given: Any, where: str) -> Any:
    """The SDK's `error_handlers` that `given` are or names."""
    found = named(given, "error_handlers", where)
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"{where}: error_handlers must be a dict, or module:name; got {found!r}"
        )
    for key in found:
        if key not in RunErrorHandlers.__annotations__:
            words = list(RunErrorHandlers.__annotations__)
            hint = did_you_mean(key, words) or "."
            raise ConfigurationError(
                f"{where}: error_handlers has no {key!r}{hint} It has: {', '.join(words)}"
            )
    return {key: named(value, f"error_handlers[{key!r}]", where) for key, value in found.items()}


def read_max_turns(given: Any, where: str) -> int | None:
    """How many model calls one run may make."""
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return given
    raise ConfigurationError(
        f"{where}: max_turns must be a whole number of at least 1, or None for no limit; got {given!r}"
    )


def read_next_turn(given: Any, where: str) -> NextTurn:
    """Where the next message of a conversation begins."""
    if given not in ("last_agent", "first_agent"):
        raise ConfigurationError(
            f"{where}: next_turn must be 'last_agent' or 'first_agent'; got {given!r}"
        )
    return given  # type: ignore[no-any-return]
