"""What went wrong, as callers of the OpenAI API are told: a status, and `{"error": {...}}`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from civitas.errors import (
    AgentTerminated,
    AskCycle,
    AskTimeout,
    CivitasError,
    ConfigurationError,
    HandlerFailed,
    MailboxFull,
    NodeDown,
    NoReply,
    NotStored,
    PayloadError,
    RunCancelled,
    RunChanged,
    RunConflict,
    StateStoreError,
    UnknownAgent,
    UnknownInterrupt,
    UnknownRun,
)

__all__ = ["BadRequest", "HttpFailure"]

log = logging.getLogger("civitas.edge")

_BUSY = 1
"""Seconds after which a caller may try again what found no room, or nobody there."""

_MEANINGS: tuple[tuple[type[CivitasError], int, str, str], ...] = (
    (UnknownAgent, 404, "invalid_request_error", "model_not_found"),
    (UnknownRun, 404, "invalid_request_error", "run_not_found"),
    (UnknownInterrupt, 409, "invalid_request_error", "unknown_interrupt"),
    (RunConflict, 409, "invalid_request_error", "run_conflict"),
    (RunChanged, 409, "invalid_request_error", "run_changed"),
    (RunCancelled, 409, "invalid_request_error", "run_cancelled"),
    (AskTimeout, 504, "server_error", "timeout"),
    (MailboxFull, 429, "rate_limit_error", "mailbox_full"),
    (NotStored, 503, "server_error", "not_stored"),
    (NoReply, 502, "server_error", "no_reply"),
    (AgentTerminated, 503, "server_error", "agent_terminated"),
    (NodeDown, 503, "server_error", "node_down"),
    (AskCycle, 400, "invalid_request_error", "ask_cycle"),
    (PayloadError, 400, "invalid_request_error", "invalid_payload"),
    (ConfigurationError, 400, "invalid_request_error", "invalid_request"),
    (StateStoreError, 503, "server_error", "state_store"),
    (CivitasError, 500, "server_error", "agent_failed"),
)
_TRY_AGAIN = frozenset({"mailbox_full", "not_stored", "state_store"})
"""Codes of what nobody has handled: to try once more does nothing twice."""


class BadRequest(Exception):
    """A request that cannot be taken.

    Args:
        text: What is wrong with it, and what would be right.
        param: The key of its body.
        status: Of the answer.
        code: A word for programs.
    """

    def __init__(
        self, text: str, param: str | None = None, status: int = 400, code: str = "invalid_request"
    ) -> None:
        super().__init__(text)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """What a caller is told.

    Attributes:
        status: Of the answer.
        body: In the form of the API.
        headers: That say whether to try again; the clients of OpenAI heed them.
    """

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @classmethod
    def of(cls, error: Exception) -> HttpFailure:
        """What an error means to a caller; one that means nothing to any is in the log."""
        param = None
        if isinstance(error, BadRequest):
            status, kind, code, param = (
                error.status,
                "invalid_request_error",
                error.code,
                error.param,
            )
        else:
            meant = PayloadError if _is_refused(error) else type(error)
            status, kind, code = next(
                (
                    (status, kind, code)
                    for type, status, kind, code in _MEANINGS
                    if issubclass(meant, type)
                ),
                (500, "server_error", "internal_error"),
            )
        if code == "internal_error":
            log.error("a request could not be answered", exc_info=error)
        text = _said(error) if code != "internal_error" else "the edge failed; its log says why"
        body = {"error": {"message": text, "type": kind, "param": param, "code": code}}
        again = code in _TRY_AGAIN
        headers = {"x-should-retry": "true" if again else "false"}
        if again:
            headers["retry-after"] = str(_BUSY)
        return cls(status, body, headers)


def _is_refused(error: Exception) -> bool:
    return isinstance(error, HandlerFailed) and error.refused


def _said(error: Exception) -> str:
    """The text of an error. It speaks to programmers in Python, and whoever is told here may know none."""
    text = str(error)
    match error:
        case UnknownAgent():
            return text.replace(
                "runtime.tree() lists the agents there are", "GET /v1/models lists the agents"
            )
        case HandlerFailed(refused=True):
            return f"{error.agent!r} does not take this: {error.error_message}"
        case HandlerFailed():
            return text.removesuffix(
                ". .remote_traceback says where it was raised; fix that, then ask again"
            )
        case AskTimeout():
            return text.replace(f"runtime.result({error.run!r})", f"GET /runs/{error.run}")
        case RunConflict():
            return text.replace("runtime.result has", f"GET /runs/{error.run} has")
        case AgentTerminated():
            return text.replace("Start it again with restart_child, or look", "Look")
    return text
