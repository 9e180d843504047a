"""`civitas dead-letters list`, `show`, `replay` and `drop`, wherever dead letters are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from civitas.cli.console import is_agreed, stdout
from civitas.cli.failures import Refused, say
from civitas.cli.letters import Facts, LetterPlace, opened_letters
from civitas.cli.payloads import json_text, print_payload
from civitas.cli.times import age, moment
from civitas.cli.trees import count
from civitas.control.client import RemoteError
from civitas.errors import CivitasError
from civitas.events import DeadLetterReason
from civitas.telemetry.readable import cut

__all__ = ["Chosen", "drop_letters", "list_letters", "replay_letters", "show_letter"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters are meant.

    Attributes:
        keys: Numbers, or ids of messages; none of them for all that fit the rest.
        agent: Of this agent; empty for any.
        reason: Of this reason; empty for any.
    """

    keys: Sequence[str] = ()
    agent: str = ""
    reason: str = ""


def list_letters(topology: Path, chosen: Chosen, *, payload: bool, as_json: bool) -> None:
    """Print the dead letters, the oldest first.

    Args:
        topology: The topology.
        chosen: Which.
        payload: Whether the payloads are printed, too.
        as_json: Whether to print an array of objects.
    Raises:
        CivitasError: Nothing keeps dead letters, or that cannot be reached.
    """

    async def work() -> list[dict[str, Any]]:
        async with opened_letters(topology) as kept:
            return [_told(each, payload) for _, each in await _found(kept, chosen, payload)]

    letters = asyncio.run(work())
    if as_json:
        print_payload(letters)
    elif letters:
        stdout().print(_table(letters))
    else:
        say(f"{topology}: no dead letters{_those(chosen)}")


def show_letter(topology: Path, key: str, *, payload: bool, as_json: bool) -> None:
    """Print everything about one, its payload only where that is asked for.

    Raises:
        CivitasError: As `list_letters`, or it is not there.
    """

    async def work() -> dict[str, Any]:
        async with opened_letters(topology) as kept:
            return _told((await _one(kept, key, payload))[1], payload)

    facts = asyncio.run(work())
    if as_json:
        print_payload(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        text = value if isinstance(value, str) else json_text(value)
        print(f"{name:{width}}  {text}")


def replay_letters(topology: Path, chosen: Chosen) -> None:
    """Put messages into their mailboxes again, and print how many.

    Raises:
        CivitasError: As `show_letter`, or one could not be put there; those before it were.
    """
    done = asyncio.run(_replay(topology, chosen))
    print(f"{topology}: {count(done, 'message')} replayed")


async def _replay(topology: Path, chosen: Chosen) -> int:
    done = 0
    async with opened_letters(topology) as kept:
        for where, letter in await _found(kept, chosen):
            try:
                await where.replay(letter["number"])
            except CivitasError as error:
                if not chosen.keys and _is_passed_over(letter, error):
                    say(f"number {letter['number']} was left: {error}")
                    continue
                before = f". Replayed before it: {count(done, 'message')}" if done else ""
                raise Refused(f"number {letter['number']}: {error}{before}") from error
            done += 1
    return done


def drop_letters(topology: Path, chosen: Chosen, *, yes: bool) -> None:
    """Remove dead letters, and print how many.

    Args:
        topology: The topology.
        chosen: Which.
        yes: Whether nobody is asked first.
    Raises:
        CivitasError: As `show_letter`, or nobody is there to be asked.
    """

    async def work() -> None:
        async with opened_letters(topology) as kept:
            found = await _found(kept, chosen)
            if not found:
                print(f"{topology}: no dead letters{_those(chosen)}")
                return
            what = f"{count(len(found), 'dead letter')} of {topology}, with the messages in them"
            if not yes and not is_agreed(what):
                print("nothing was removed")
                return
            dropped = [each for where, each in found if await where.drop(each["number"])]
        print(f"{topology}: {count(len(dropped), 'dead letter')} removed")

    asyncio.run(work())


async def _found(
    kept: Sequence[LetterPlace], chosen: Chosen, payload: bool = False
) -> list[tuple[LetterPlace, Facts]]:
    """The chosen ones, each with who keeps it."""
    if chosen.keys:
        return [await _one(kept, key, payload) for key in chosen.keys]
    return [
        (where, each)
        for where in kept
        for each in await where.list(chosen.agent, chosen.reason, payload=payload)
    ]


async def _one(kept: Sequence[LetterPlace], key: str, payload: bool) -> tuple[LetterPlace, Facts]:
    for where in kept:
        found = await where.show(key, payload=payload)
        if found is not None:
            return where, found
    raise Refused(f"there is no dead letter {key!r}; list shows their numbers")


def _is_passed_over(letter: Facts, error: CivitasError) -> bool:
    """Whether the others are replayed all the same: nobody waits for a reply, or somebody else has replayed it."""
    gone = isinstance(error, RemoteError) and error.error_type == "UnknownDeadLetter"
    return gone or letter["reason"] == DeadLetterReason.LATE_REPLY


def _told(letter: Facts, payload: bool) -> dict[str, Any]:
    """A dead letter as it is printed."""
    told = {
        "number": letter["number"],
        "agent": letter["agent"],
        "reason": letter["reason"],
        "time": moment(letter["time"]),
        "age": round(max(0.0, time.time() - letter["time"]), 3),
        "id": letter["id"],
        "type": letter["type"],
        "sender": letter["sender"],
        "recipient": letter["recipient"],
        "conversation": letter["conversation"],
        "run": letter["run"],
        "sent": moment(letter["sent"]),
        "attempt": letter["attempt"],
        "replays": letter["replays"],
        "bytes": letter["bytes"],
    }
    return {**told, "payload": letter["payload"]} if payload else told


def _table(letters: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = ["number", "agent", "reason", "age", "type", "sender", "bytes"]
    columns += [key for key in ("payload",) if key in letters[0]]
    for column in columns:
        right = column in ("number", "age", "bytes")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for each in letters:
        shown = {**each, "age": age(each["age"]), "sender": each["sender"] or "(outside)"}
        if "payload" in each:
            shown["payload"] = json_text(each["payload"])
        table.add_row(*(Text(cut(str(shown[column]))) for column in columns))
    return table


def _those(chosen: Chosen) -> str:
    agent = f" of {chosen.agent!r}" if chosen.agent else ""
    reason = f" with the reason {chosen.reason!r}" if chosen.reason else ""
    return f"{agent}{reason}"
