"""`civitas ask` and `civitas send`."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.cli.failures import Refused, say
from civitas.cli.payloads import print_payload
from civitas.cli.reaching import running_system
from civitas.control.client import RemoteError
from civitas.message import to_plain

__all__ = ["Question", "ask_agent", "send_to_agent"]

# A system whose loop turns says by itself when the time of an ask is up; this much later it is stuck.
_PATIENCE = 5.0

_CLOSED = (
    "the runtime accepts no work: it has not been started, or it is stopping. "
    "Use it inside `async with Runtime(...)`"
)

# Errors speak to programmers; here somebody types. By the type of the error, as a handler may have used the same words.
_OUR_WORDS = {
    "UnknownAgent": (
        "runtime.tree() lists the agents",
        "`civitas top {topology} --once` lists the agents",
    ),
    "AskTimeout": ("timeout=", "--timeout"),
    "MailboxFull": ("timeout=", "--timeout"),
    "HandlerFailed": (".remote_traceback says where", "--verbose shows where"),
    "AgentTerminated": ("Start it again with restart_child, or look", "Look"),
    "ConfigurationError": (_CLOSED, "the system accepts no more work: it is stopping"),
}


@dataclass(frozen=True)
class Question:
    """What is asked or sent.

    Attributes:
        to: Name of the agent.
        payload: Plain data.
        type: Type of the message.
        timeout: Seconds.
        conversation: Id of the conversation, or None.
    """

    to: str
    payload: Any
    type: str
    timeout: float
    conversation: str | None


def ask_agent(topology: Path, question: Question, *, raw: bool, verbose: bool) -> None:
    """Ask an agent of the running system and print the payload of its reply.

    Raises:
        CivitasError: There is no reply.
    """
    reply = asyncio.run(_request("ask", topology, question, verbose=verbose))
    print_payload(reply["payload"], raw=raw)
    if reply["type"] == "interrupt":
        again = f"civitas ask {shlex.quote(str(topology))} {shlex.quote(question.to)}"
        say(
            f"""{question.to!r} waits for an answer: {again} '{{"value": ...}}' --type resume """
            f"--conversation {shlex.quote(str(reply['conversation']))}"
        )


def send_to_agent(topology: Path, question: Question, *, verbose: bool) -> None:
    """Send to an agent of the running system.

    Raises:
        CivitasError: It was not accepted.
    """
    asyncio.run(_request("send", topology, question, verbose=verbose))


async def _request(operation: str, topology: Path, question: Question, *, verbose: bool) -> Any:
    payload = to_plain(
        question.payload
    )  # before anything else, with the path to what cannot be sent
    async with running_system(topology) as system:
        try:
            return await system.request(
                operation,
                within=question.timeout + _PATIENCE,
                to=question.to,
                payload=payload,
                type=question.type,
                timeout=question.timeout,
                conversation=question.conversation,
            )
        except RemoteError as error:
            if verbose and error.traceback:
                say(error.traceback.rstrip())
            theirs, ours = _OUR_WORDS.get(error.error_type, ("", ""))
            ours = ours.replace("{topology}", shlex.quote(str(topology)))
            text = str(error).replace(theirs, ours) if theirs else str(error)
            raise Refused(text) from error
