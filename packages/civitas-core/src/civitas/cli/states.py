"""`civitas state list`, `show` and `clear`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from civitas.cli.console import is_agreed
from civitas.cli.failures import say
from civitas.cli.payloads import print_payload
from civitas.cli.stored import Transcript, few, on_one_line, opened, plain
from civitas.cli.trees import count

__all__ = ["clear_values", "list_keys", "show_values"]


def list_keys(topology: Path, *, prefix: str, internal: bool, as_json: bool) -> None:
    """Print the keys, one on each line.

    Args:
        topology: The topology.
        prefix: What the keys begin with.
        internal: Whether those that Civitas keeps for itself are meant too.
        as_json: Print a list of objects with `key` and `kind`, and of a conversation `used`, when it was written.
    Raises:
        CivitasError: Nothing durable is configured, or the store cannot be read.
    """

    async def work() -> None:
        async with opened(topology) as there:
            keys = await there.keys(prefix, internal=internal)
            described = [await there.described(key) for key in keys] if as_json else []
        if as_json:
            print_payload(described)
            return
        for key in keys:
            print(on_one_line(key))
        if not keys:
            say(f"{topology}: {there.nothing(prefix)}")

    asyncio.run(work())


def show_values(
    topology: Path, key: str | None, *, prefix: str, internal: bool, as_json: bool
) -> None:
    """Print what is saved under `key`, or all that is saved by its key, as JSON.

    Args:
        topology: The topology.
        key: The key; all with `prefix` when None.
        prefix: What the keys begin with.
        internal: Whether those that Civitas keeps for itself are meant too.
        as_json: Print a conversation as JSON, too, rather than as people read it.
    Raises:
        CivitasError: As `list_keys`, or nothing is saved under `key`.
    """

    async def work() -> Any:
        async with opened(topology) as there:
            if key is not None:
                return await there.shown(key)
            keys = await there.keys(prefix, internal=internal)
            return {each: await there.shown(each) for each in keys}

    found = asyncio.run(work())
    if isinstance(found, Transcript) and not as_json:
        print("\n".join(found.lines()) or f"{topology}: no messages in {key!r}")
    else:
        print_payload(plain(found))


def clear_values(
    topology: Path, key: str | None, *, prefix: str, internal: bool, yes: bool
) -> None:
    """Remove what is under `key`, or all there is, and say how much that was.

    The steps of unfinished messages go with their agent: otherwise it would start again on their results.

    Args:
        topology: The topology.
        key: The key; all with `prefix` when None.
        prefix: What the keys begin with.
        internal: Whether those that Civitas keeps for itself are meant too.
        yes: Whether nobody is asked first.
    Raises:
        CivitasError: As `show_values`, or nobody is there to be asked.
    """

    async def work() -> None:
        async with opened(topology) as there:
            if key is not None:
                keys = [key] if await there.holds(key) else []
                keys += await there.steps(f"{key}/")
                if not keys:
                    await there.shown(key)  # refuses it, with the nearest
            else:
                keys = await there.keys(prefix, internal=internal)
                keys += [each for each in await there.steps(prefix) if each not in keys]
            if not keys:
                print(f"{topology}: {there.nothing(prefix)}")
                return
            what = f"{count(len(keys), 'key')} of {topology}: {few(keys)}"
            if not yes and not is_agreed(what):
                print("nothing was removed")
                return
            for each in keys:
                await there.remove(each)
        print(f"{topology}: {count(len(keys), 'key')} removed")
        if there.pid is not None:
            say(
                f"the system is running (process {there.pid}): an agent keeps what it holds until it is "
                "restarted, and saves it again with its next checkpoint"
            )

    asyncio.run(work())
