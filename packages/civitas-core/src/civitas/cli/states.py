"""`civitas state list`, `show` and `clear`."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.cli.failures import Refused, say
from civitas.cli.payloads import print_payload
from civitas.cli.trees import count
from civitas.control import holder, state_folder
from civitas.errors import StateStoreError
from civitas.plugins import PluginManager
from civitas.process.built_late import BuiltLate
from civitas.process.steps import STEPS
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.topology import Topology, load_part, runtime_options

__all__ = ["clear_values", "list_keys", "show_values"]

_INTERNAL = "civitas:"
_SHOWN = 5


def list_keys(topology: Path, *, prefix: str, internal: bool) -> None:
    """Print the keys, one on each line.

    Args:
        topology: The topology.
        prefix: What the keys begin with.
        internal: Whether those that Civitas keeps for itself are meant too.
    Raises:
        CivitasError: Nothing durable is configured, or the store cannot be read.
    """

    async def work() -> None:
        async with _opened(topology) as kept:
            keys = await kept.keys(prefix, internal=internal)
        for key in keys:
            print(_on_one_line(key))
        if not keys:
            say(f"{topology}: {kept.nothing(prefix)}")

    asyncio.run(work())


def show_values(topology: Path, key: str | None, *, prefix: str, internal: bool) -> None:
    """Print the value under `key` as JSON, or all values by their keys.

    Raises:
        CivitasError: As `list_keys`, or nothing is saved under `key`.
    """

    async def work() -> Any:
        async with _opened(topology) as kept:
            if key is not None:
                return await kept.value(key)
            keys = await kept.keys(prefix, internal=internal)
            return {each: await kept.value(each) for each in keys}

    print_payload(asyncio.run(work()))


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
        async with _opened(topology) as kept:
            if key is not None:
                keys = [key] if await kept.holds(key) else []
                keys += await kept.steps(f"{key}/")
                if not keys:
                    await kept.value(key)  # refuses it, with the nearest
            else:
                keys = await kept.keys(prefix, internal=internal)
                keys += [each for each in await kept.steps(prefix) if each not in keys]
            if not keys:
                print(f"{topology}: {kept.nothing(prefix)}")
                return
            if not yes and not _agreed(topology, keys):
                print("nothing was removed")
                return
            for each in keys:
                await kept.store.delete(each)
        print(f"{topology}: {count(len(keys), 'key')} removed")
        if kept.pid is not None:
            say(
                f"the system is running (process {kept.pid}): an agent keeps what it holds until it is "
                "restarted, and saves it again with its next checkpoint"
            )

    asyncio.run(work())


def _agreed(topology: Path, keys: list[str]) -> bool:
    what = f"{count(len(keys), 'key')} of {topology}: {_few(keys)}"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused(f"this removes {what}. There is nobody here to ask; confirm with --yes")
    return input(f"Remove {what}? [y/N] ").strip().lower() in ("y", "yes")


def _few(keys: list[str]) -> str:
    shown = ", ".join(map(_on_one_line, keys[:_SHOWN]))
    return f"{shown}, ..." if len(keys) > _SHOWN else shown


def _on_one_line(key: str) -> str:
    return key if key.isprintable() else repr(key)


@dataclass(frozen=True)
class _Kept:
    """What a topology's state store holds.

    Attributes:
        topology: The topology's file.
        type: Type of the store, as it is written there.
        store: The store; None if it has no file yet, so that nothing is in it.
        pid: The process that runs the system; None if none does.
    """

    topology: Path
    type: str
    store: Any
    pid: int | None

    async def keys(self, prefix: str, *, internal: bool) -> list[str]:
        if self.store is None:
            return []
        keys = getattr(self.store, "keys", None)
        if keys is None:
            raise Refused(
                f"the state store {self.type!r} ({type(self.store).__name__}) cannot list its keys: "
                "it has no method keys(prefix). Name one key; that of an agent is the agent's name"
            )
        return [key for key in await keys(prefix) if internal or not key.startswith(_INTERNAL)]

    async def steps(self, prefix: str) -> list[str]:
        """The steps of unfinished messages of agents whose name, with a `/` behind it, begins with `prefix`."""
        keys = getattr(self.store, "keys", None)
        return list(await keys(f"{STEPS}{prefix}")) if keys is not None else []

    async def holds(self, key: str) -> bool:
        try:
            return self.store is not None and await self.store.get(key) is not None
        except StateStoreError:
            return True  # what is damaged can be removed all the same

    async def value(self, key: str) -> Any:
        value = await self.store.get(key) if self.store is not None else None
        if value is None:
            raise Refused(f"nothing is saved under {key!r}{await self._instead(key)}")
        return value

    def nothing(self, prefix: str) -> str:
        """What to say if there are no keys."""
        return (
            f"nothing is saved under a key that begins with {prefix!r}"
            if prefix
            else "nothing is saved"
        )

    async def _instead(self, key: str) -> str:
        if self.store is not None and not hasattr(self.store, "keys"):
            return ""
        keys = await self.keys("", internal=True)
        near = difflib.get_close_matches(key, keys, 1)
        if near:
            return f"; did you mean {near[0]!r}?"
        return f"; there are: {_few(keys)}" if keys else "; nothing is saved at all"


@asynccontextmanager
async def _opened(file: Path) -> AsyncIterator[_Kept]:
    """The state store of a topology, of which nothing but name and state is read."""
    topology = load_part(file, "name", "state")
    pid = holder(state_folder(topology.name, file))
    store = _store(file, topology, pid)
    # To look into a store must not make one.
    there = store if not isinstance(store, SQLiteStateStore) or store.path.exists() else None
    if isinstance(store, BuiltLate):
        await store.open()
    try:
        yield _Kept(file, topology.state.type if topology.state else "", there, pid)
    finally:
        close = getattr(store, "close", None)
        if close is not None:
            await close()


def _store(file: Path, topology: Topology, pid: int | None) -> Any:
    store = None
    if topology.state is not None:
        store = runtime_options(topology, plugins=PluginManager())["state_store"]
    if store is None or isinstance(store, InMemoryStateStore):
        where = "has no 'state'" if store is None else "keeps its state in memory"
        runs = (
            f"what the running system (process {pid}) holds is in its own memory, out of reach"
            if pid is not None
            else "nothing outlives the system"
        )
        raise Refused(f"{file} {where}: {runs}. Write state: {{type: sqlite, path: civitas.db}}")
    return store
