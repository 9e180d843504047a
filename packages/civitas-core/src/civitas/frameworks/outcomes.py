"""What the failure of a run means: a crash of the agent, an answer to whoever asked, or another try."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

__all__ = ["Outcome", "outcome_of", "retry_after"]


class Outcome(StrEnum):
    """What the failure of a run means."""

    CRASH = "crash"
    """Something is broken: let it crash, the supervisor decides."""
    ANSWER = "answer"
    """The run came to a bad end, as another incarnation's would: whoever asked is told, the agent lives."""
    TRANSIENT = "transient"
    """The model's provider is down or asks to wait: the run may be tried again later."""


# The classes by which the clients of models, and the HTTP libraries below them, tell that nobody answered.
_UNREACHABLE = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "ConnectError",
        "ConnectTimeout",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
    }
)
_TRY_AGAIN = frozenset({408, 409, 425, 429})


def outcome_of(error: BaseException) -> Outcome:
    """What `error` means, as far as that can be told without knowing the framework: by HTTP status and class name.

    An error that was raised from a transient one is transient too: frameworks wrap what the model's client raised.
    """
    for each in _causes(error):
        status = getattr(each, "status_code", None)
        if isinstance(status, int) and (status in _TRY_AGAIN or 500 <= status < 600):
            return Outcome.TRANSIENT
        if any(kind.__name__ in _UNREACHABLE for kind in type(each).__mro__):
            return Outcome.TRANSIENT
    return Outcome.CRASH


def retry_after(error: BaseException) -> float | None:
    """Seconds that the provider asks to wait, by its ``Retry-After`` header (RFC 9110); None where it says nothing."""
    for each in _causes(error):
        headers: Any = getattr(getattr(each, "response", None), "headers", None)
        try:
            said = headers.get("retry-after")
        except AttributeError:
            continue
        if said is None:
            continue
        try:
            return max(0.0, float(said))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
        except ValueError:
            continue
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__
