"""`civitas dead-letters list`, `show`, `replay` and `drop`: at the broker, whether the system runs or not."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from civitas.cli.console import stdout
from civitas.cli.failures import Refused, say
from civitas.cli.payloads import json_text, print_payload
from civitas.cli.times import age, moment
from civitas.cli.trees import count
from civitas.cluster.dead_letters import REPLAY, message_of, replayed
from civitas.cluster.durable.parcels import pack
from civitas.errors import ConfigurationError
from civitas.message import Serializer
from civitas.plugins import PluginManager
from civitas.telemetry.readable import cut
from civitas.topology import Links, load_part
from civitas.transport.dead_letters import DeadLetter, DeadLetterBox

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
        async with _opened(topology) as box:
            return [_facts(each, payload=payload) async for each in _found(box, chosen)]

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
        async with _opened(topology) as box:
            return _facts(await _one(box, key), payload=payload)

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
    async with _opened(topology) as box:
        for letter in [each async for each in _found(box, chosen)]:
            try:
                message = replayed(letter)
                # No node puts it there, so it has no place in the line of one, and nobody to answer to.
                body = pack(message, Serializer.MSGPACK, "", 0, 0, None)
                await box.deliver(letter, message.id, message.conversation or "", body)
            except ConfigurationError as error:
                if chosen.keys or not _is_reply(letter):
                    before = f". Replayed before it: {count(done, 'message')}" if done else ""
                    raise Refused(f"number {letter.number}: {error}{before}") from error
                say(f"number {letter.number} was left: {error}")
                continue
            await box.drop(letter.number)
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
        async with _opened(topology) as box:
            numbers = [each.number async for each in _found(box, chosen)]
            if not numbers:
                print(f"{topology}: no dead letters{_those(chosen)}")
                return
            if not yes and not _agreed(topology, numbers):
                print("nothing was removed")
                return
            dropped = [number for number in numbers if await box.drop(number)]
        print(f"{topology}: {count(len(dropped), 'dead letter')} removed")

    asyncio.run(work())


def _agreed(topology: Path, numbers: list[int]) -> bool:
    what = f"{count(len(numbers), 'dead letter')} of {topology}, with the messages in them"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused(f"this removes {what}. There is nobody here to ask; confirm with --yes")
    return input(f"Remove {what}? [y/N] ").strip().lower() in ("y", "yes")


@asynccontextmanager
async def _opened(file: Path) -> AsyncIterator[DeadLetterBox]:
    """The dead letters of a topology, of which nothing but name and transport is read."""
    topology = load_part(file, "name", "transport")
    links = Links(topology, PluginManager())
    links.check()
    box = links.dead_letters()
    if box is None:
        raise Refused(
            f"{file}: this system keeps no dead letters: it reports and counts them. A NATS server with JetStream "
            "keeps those of agents with at_least_once; write transport: {type: nats, servers: [...]}, without "
            "jetstream: false"
        )
    try:
        yield box
    finally:
        await box.close()


async def _found(box: DeadLetterBox, chosen: Chosen) -> AsyncIterator[DeadLetter]:
    if chosen.keys:
        for key in chosen.keys:
            yield await _one(box, key)
        return
    async for each in box.all(chosen.agent, chosen.reason):
        yield each


async def _one(box: DeadLetterBox, key: str) -> DeadLetter:
    if key.isdigit():
        found = await box.get(int(key))
    else:
        found = None
        async for each in box.all():
            if message_of(each).id == key:
                found = each  # the newest, where it was replayed and became one again
    if found is None:
        raise Refused(f"there is no dead letter {key!r}; list shows their numbers")
    return found


def _is_reply(letter: DeadLetter) -> bool:
    return letter.reason == "late_reply"


def _facts(letter: DeadLetter, *, payload: bool) -> dict[str, Any]:
    message = message_of(letter)
    facts: dict[str, Any] = {
        "number": letter.number,
        "agent": letter.agent,
        "reason": letter.reason,
        "time": moment(letter.time),
        "age": round(max(0.0, time.time() - letter.time), 3),
        "id": message.id,
        "type": message.type,
        "sender": message.sender,
        "recipient": message.recipient,
        "conversation": message.conversation,
        "sent": moment(message.timestamp),
        "attempt": message.attempt,
        "replays": int(message.headers.get(REPLAY, "0")),
        "bytes": len(message.raw),
    }
    return {**facts, "payload": message.payload} if payload else facts


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
