"""What the failure of a run means: an answer to whoever asked, another try, or a crash of the agent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from civitas.frameworks.soundness import is_of_database, is_unsound

__all__ = ["LIBRARIES", "OUTCOMES", "Outcome", "chain", "outcome_of"]


class Outcome(StrEnum):
    """What the failure of a run means."""

    ANSWER = "answer"
    """The run failed, as the next attempt would: whoever asked is told at once, and the agent lives."""
    TRANSIENT = "transient"
    """Something outside is down, slow or asks to wait: a durable run is tried again after a while."""
    UNKNOWN = "unknown"
    """It may work another time: a durable run is tried again soon; for any other, whoever asked is told."""
    CRASH = "crash"
    """The process itself is unsound: let it crash, the supervisor decides."""


OUTCOMES: Mapping[str, Outcome] = {
    # The clients of models, and the HTTP libraries below them, have these in common.
    "APIConnectionError": Outcome.TRANSIENT,
    "APITimeoutError": Outcome.TRANSIENT,
    "ConnectError": Outcome.TRANSIENT,
    "ConnectTimeout": Outcome.TRANSIENT,
    "ClientConnectionError": Outcome.TRANSIENT,
    "ConnectionError": Outcome.TRANSIENT,
    "NetworkError": Outcome.TRANSIENT,
    "ReadError": Outcome.TRANSIENT,
    "ReadTimeout": Outcome.TRANSIENT,
    "RemoteProtocolError": Outcome.TRANSIENT,
    "TimeoutError": Outcome.TRANSIENT,
    "TimeoutException": Outcome.TRANSIENT,
    "gaierror": Outcome.TRANSIENT,
    "openai.OpenAIError": Outcome.UNKNOWN,
    "openai.APIError": Outcome.UNKNOWN,
    "openai.APIResponseValidationError": Outcome.ANSWER,
    "openai.ContentFilterFinishReasonError": Outcome.ANSWER,
    "openai.LengthFinishReasonError": Outcome.ANSWER,
    "openai._AmbiguousModuleClientUsageError": Outcome.ANSWER,
    "openai._exceptions.SubjectTokenProviderError": Outcome.UNKNOWN,
    "openai._extras._common.MissingDependencyError": Outcome.ANSWER,
    "openai._response.StreamAlreadyConsumed": Outcome.ANSWER,
    "openai.auth.*": Outcome.UNKNOWN,
    "openai.lib.*": Outcome.UNKNOWN,
    "openai.WebSocketConnectionClosedError": Outcome.TRANSIENT,
    "openai.WebSocketQueueFullError": Outcome.TRANSIENT,
    # Agents that were asked in the run, and what was asked of Civitas.
    "civitas.errors.CivitasError": Outcome.ANSWER,
    "civitas.errors.MailboxFull": Outcome.TRANSIENT,
    "civitas.errors.NodeDown": Outcome.TRANSIENT,
    "civitas.errors.StateStoreError": Outcome.UNKNOWN,
}
"""What exceptions mean that no framework owns, by the full name of their class, or by the bare one in `LIBRARIES`.

An entry holds for subclasses as well, unless they have their own. `UNKNOWN` holds without an entry, too: one says that
somebody looked, at all classes of a module where the name ends in ``*``.
"""

LIBRARIES = frozenset(
    {
        # Python itself, what speaks HTTP, and what keeps a connection.
        *("asyncio", "builtins", "concurrent", "socket"),
        *("aiohttp", "botocore", "h2", "httpcore", "httpx", "requests", "urllib3", "websockets"),
        *("elastic_transport", "elasticsearch", "opensearchpy", "redis", "valkey"),
        # The clients of models.
        *(
            "anthropic",
            "cerebras",
            "cohere",
            "fireworks",
            "google",
            "groq",
            "huggingface_hub",
            "ibm_watsonx_ai",
        ),
        *(
            "litellm",
            "mistralai",
            "ollama",
            "openai",
            "replicate",
            "together",
            "voyageai",
            "xai_sdk",
            "zhipuai",
        ),
    }
)
"""The top modules whose classes the bare names in `OUTCOMES` are of; a class of the user may have such a name, too."""

# What a database says that cannot do it now; the drivers have one class for that and for mistakes.
_BUSY = re.compile(
    r"locked|busy|deadlock|could not (connect|serialize)|too many (clients|connections)",
    re.IGNORECASE,
)
_TRY_AGAIN = frozenset({408, 409, 425, 429})
# What Python raises for a mistake in the code, or for what the code was given: the same the next time.
_DETERMINISTIC = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


def outcome_of(error: BaseException, own: Mapping[str, Outcome] | None = None) -> Outcome:
    """What `error` means: by the state of the process, by HTTP status, by the class, by what it was raised from.

    Args:
        error: What a run raised.
        own: What the framework's own exceptions mean, by name as in `OUTCOMES`.
    """
    errors = tuple(chain(error))
    if any(map(is_unsound, errors)):
        return Outcome.CRASH
    # Frameworks wrap what the model's client raised, in what would else be an answer, too.
    told = {_told(each, own or {}) for each in errors}
    if Outcome.TRANSIENT in told:
        return Outcome.TRANSIENT
    if Outcome.ANSWER in told or _is_deterministic(error):
        return Outcome.ANSWER
    return Outcome.UNKNOWN


def _told(error: BaseException, own: Mapping[str, Outcome]) -> Outcome:
    """What `error` itself says."""
    status = _status(error)
    if status is None:
        busy = is_of_database(type(error), "OperationalError") and _BUSY.search(str(error))
        return Outcome.TRANSIENT if busy else _placed(type(error), own)
    return Outcome.TRANSIENT if status in _TRY_AGAIN or status >= 500 else Outcome.ANSWER


def _placed(kind: type[BaseException], own: Mapping[str, Outcome]) -> Outcome:
    """What the entry for `kind` says, otherwise that of its nearest ancestor that says something."""
    for each in kind.__mro__:
        full = f"{each.__module__}.{each.__qualname__}"
        told = own.get(full) or OUTCOMES.get(full)
        if told is None and each.__module__.partition(".")[0] in LIBRARIES:
            told = OUTCOMES.get(each.__name__)
        if told is not None and (told is not Outcome.UNKNOWN or each is kind):
            return told
    return Outcome.UNKNOWN


def _is_deterministic(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_deterministic, error.exceptions))
    return isinstance(error, _DETERMINISTIC)


def _status(error: BaseException) -> int | None:
    """The HTTP status that `error` is about, under the names that the clients have for it."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):
        metadata = response.get("ResponseMetadata")
        found = [metadata.get("HTTPStatusCode")] if isinstance(metadata, Mapping) else []
    else:
        found = [getattr(response, "status_code", None)]
    found += (getattr(error, name, None) for name in ("status_code", "status", "code"))
    for each in found:
        if isinstance(each, int) and 400 <= each < 600:
            return int(each)
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """`error`, the parts of a group, and what each was raised from."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        each = todo.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            todo.extend(each.exceptions)
        if each.__cause__ is not None:
            todo.append(each.__cause__)
