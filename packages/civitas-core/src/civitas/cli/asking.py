"""`civitas ask` and `civitas send`."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from civitas.cli.failures import Refused, say
from civitas.cli.payloads import print_payload
from civitas.cli.reaching import System, running_system
from civitas.cli.windows import in_words, seen_of_request
from civitas.control.client import NotAnswering, RemoteError
from civitas.message import to_plain
from civitas.node.inspecting import Blocked

__all__ = [
    "PATIENCE",
    "Question",
    "ask_agent",
    "headers_of",
    "in_our_words",
    "print_reply",
    "send_to_agent",
]

PATIENCE = 5.0
"""A system whose loop turns says by itself when the time of an ask is up; so many seconds later it is stuck."""

_LOOK = 1.0
"""Seconds between two looks whether the event loop of a root that does not answer is blocked."""

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
    "RunChanged": ("runtime.cancel ends it", "`civitas runs cancel` ends it"),
    "RunConflict": ("runtime.result has", "`civitas runs result` has"),
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
        run: Name of the run that it begins, or None.
        headers: Of the message, beside those that it has anyway.
    """

    to: str
    payload: Any
    type: str
    timeout: float
    conversation: str | None
    run: str | None = None
    headers: Mapping[str, str] | None = None


def headers_of(lines: Iterable[str]) -> dict[str, str] | None:
    """The headers that lines such as ``user=ada`` say; None if there are none."""
    return dict(line.split("=", 1) for line in lines) or None


def ask_agent(topology: Path, question: Question, *, raw: bool, verbose: bool) -> None:
    """Ask an agent of the running system and print the payload of its reply.

    Raises:
        CivitasError: There is no reply.
    """
    reply = asyncio.run(_request("ask", topology, question, verbose=verbose))
    print_reply(topology, question.to, reply, raw=raw)


def print_reply(topology: Path, agent: str, reply: Mapping[str, Any], *, raw: bool) -> None:
    """Print the payload of a reply; of a question, also how it is answered."""
    print_payload(reply["payload"], raw=raw)
    if reply["type"] == "interrupt":
        again = f"civitas ask {shlex.quote(str(topology))} {shlex.quote(agent)}"
        say(
            f"""{agent!r} waits for an answer: {again} '{{"value": ...}}' --type resume """
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
    called = token_hex(8)
    async with running_system(topology) as system:
        try:
            request = system.request(
                operation,
                within=question.timeout + PATIENCE,
                called=called,
                to=question.to,
                payload=payload,
                type=question.type,
                timeout=question.timeout,
                conversation=question.conversation,
                run=question.run,
                headers=question.headers,
            )
            return await _unless_frozen(
                request, topology, system, question.to, called if operation == "send" else ""
            )
        except RemoteError as error:
            if verbose and error.traceback:
                say(error.traceback.rstrip())
            raise Refused(in_our_words(topology, error.error_type, str(error))) from error


async def _unless_frozen(
    request: Coroutine[Any, Any, Any], topology: Path, system: System, to: str, called: str
) -> Any:
    """The answer to a request. A message that was accepted needs none, if the event loop of the root is blocked.

    Args:
        request: To the system.
        topology: Of it.
        system: It runs.
        to: The agent that it is for.
        called: What a message that is sent is called; empty for an ask.

    Raises:
        CivitasError: The system refused or did not answer.
    """
    asking = asyncio.ensure_future(request)
    blocked: Blocked | None = None
    try:
        while not (await asyncio.wait({asking}, timeout=_LOOK))[0]:
            blocked, accepted = await seen_of_request(topology, system, to, called)
            if blocked is not None and accepted and not asking.done():
                say(f"the message for {to!r} was accepted; {in_words(blocked)}")
                return None
        return await asking
    except NotAnswering as error:
        if blocked is None:
            raise
        raise NotAnswering(error.name, error.seconds, in_words(blocked)) from None
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def in_our_words(topology: Path, error_type: str, text: str) -> str:
    """The text of an error, for somebody who types commands.

    Args:
        topology: The topology.
        error_type: Class name of the error.
        text: What it says.
    """
    theirs, ours = _OUR_WORDS.get(error_type, ("", ""))
    ours = ours.replace("{topology}", shlex.quote(str(topology)))
    return text.replace(theirs, ours) if theirs else text
