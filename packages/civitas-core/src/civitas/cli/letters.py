"""Where the command line finds dead letters: at a broker, at the running system, or in the store of one that ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from civitas.cli.failures import Refused
from civitas.cli.reaching import System, running_system
from civitas.cli.stored import opened
from civitas.cluster.durable.letter_box import BrokerLetters
from civitas.control import ControlClient, NotRunning, state_folder
from civitas.control.client import RemoteError
from civitas.errors import ConfigurationError
from civitas.node.dead.info import info_of
from civitas.node.dead.kept import KeptLetter
from civitas.node.dead.saved import SavedLetter, drop_letter, read_letters
from civitas.plugins import PluginManager
from civitas.topology import Links, load_part
from civitas.transport.dead_letters import DeadLetter

__all__ = ["Facts", "LetterPlace", "opened_letters"]

Facts = dict[str, Any]
"""The fields of a `DeadLetterInfo`."""


class LetterPlace(Protocol):
    """Dead letters of a system, where somebody keeps them."""

    async def list(self, agent: str, reason: str, *, payload: bool) -> list[Facts]:
        """Those of an agent and of a reason, empty for all; the oldest first."""
        ...

    async def show(self, key: str, *, payload: bool) -> Facts | None:
        """That of a number, or of the id of a message; None if it is not there."""
        ...

    async def replay(self, number: int) -> None:
        """Put its message into the mailbox of its agent again.

        Raises:
            CivitasError: It cannot be put there; the dead letter stays.
        """
        ...

    async def drop(self, number: int) -> bool:
        """Forget one; False if it is not there."""
        ...


class _AtBroker:
    """Those that a broker keeps, whether the system runs or not."""

    def __init__(self, letters: BrokerLetters) -> None:
        self._letters = letters

    async def list(self, agent: str, reason: str, *, payload: bool) -> list[Facts]:
        return [_facts(each, payload) async for each in self._letters.all(agent, reason)]

    async def show(self, key: str, *, payload: bool) -> Facts | None:
        found = await self._letters.find(key)
        return None if found is None else _facts(found, payload)

    async def replay(self, number: int) -> None:
        found = await self._letters.find(str(number))
        if found is not None:
            await self._letters.replay(found)

    async def drop(self, number: int) -> bool:
        return await self._letters.drop(number)


class _AtRoot:
    """Those that the root of a running system keeps."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, agent: str, reason: str, *, payload: bool) -> list[Facts]:
        found: list[Facts] = await self._system.request(
            "dead_letters", agent=agent or None, reason=reason or None, payload=payload, own=True
        )
        return found

    async def show(self, key: str, *, payload: bool) -> Facts | None:
        try:
            found: Facts = await self._system.request("dead_letter", key=key)
        except RemoteError as error:
            if error.error_type != "UnknownDeadLetter":
                raise
            return None
        return found

    async def replay(self, number: int) -> None:
        await self._system.request("replay", key=number)

    async def drop(self, number: int) -> bool:
        dropped: bool = await self._system.request("drop", key=number)
        return dropped


class _InStore:
    """Those that the last run of a system left in its store."""

    def __init__(self, store: Any, system: str) -> None:
        self._store = store
        self._system = system

    async def list(self, agent: str, reason: str, *, payload: bool) -> list[Facts]:
        found = [each.letter for each in await self._saved()]
        return [
            _facts(each, payload)
            for each in found
            if agent in ("", each.agent) and reason in ("", each.reason)
        ]

    async def show(self, key: str, *, payload: bool) -> Facts | None:
        found = [
            each
            for each in await self.list("", "", payload=payload)
            if key in (str(each["number"]), each["id"])
        ]
        return found[-1] if found else None

    async def replay(self, number: int) -> None:
        raise Refused(
            f"number {number} is in the state store, and the system is not running: nobody would handle it. "
            "Start the system, then replay it"
        )

    async def drop(self, number: int) -> bool:
        for each in await self._saved():
            if each.letter.number == number:
                await drop_letter(self._store, each)
                return True
        return False

    async def _saved(self) -> Sequence[SavedLetter]:
        return () if self._store is None else await read_letters(self._store, self._system)


@asynccontextmanager
async def opened_letters(file: Path) -> AsyncIterator[Sequence[LetterPlace]]:
    """The dead letters of a topology, wherever they are kept.

    Raises:
        Refused: Neither runs the system, nor does anything keep them that outlives it.
    """
    topology = load_part(file, "name", "transport")
    links = Links(topology, PluginManager())
    links.check()
    box = links.dead_letters()
    async with AsyncExitStack() as stack:
        if box is None:
            yield [await _own(file, stack)]
            return
        stack.push_async_callback(box.close)
        kept: list[LetterPlace] = [_AtBroker(BrokerLetters(box))]
        with suppress(NotRunning):  # it has those of agents whose messages the broker does not keep
            client = ControlClient(topology.name, state_folder(topology.name, file))
            kept.append(_AtRoot(await stack.enter_async_context(client)))
        yield kept


async def _own(file: Path, stack: AsyncExitStack) -> LetterPlace:
    try:
        return _AtRoot(await stack.enter_async_context(running_system(file)))
    except NotRunning:  # it is just starting, or stopping
        raise
    except (Refused, ConfigurationError) as refused:
        try:
            stored = await stack.enter_async_context(opened(file))
        except Refused as error:
            raise Refused(f"{refused}. Its dead letters ended with it: {error}") from error
        return _InStore(stored.store, load_part(file, "name").name)


def _facts(letter: KeptLetter | DeadLetter, payload: bool) -> Facts:
    return asdict(info_of(letter, payload=payload))
