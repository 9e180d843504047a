"""Who lives where: the agents of a system by name."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Protocol

from civitas.errors import UnknownAgent
from civitas.message import Message
from civitas.process import Cell, Entry, Status
from civitas.process.options import check_is_name

__all__ = ["Recipient", "Recipients", "Registry"]

_COMPARED = 500
"""With so many names another is compared letter by letter; with ten thousand the loop would stand for long."""


class Recipient(Protocol):
    """An agent as its senders see it, wherever it runs."""

    name: str

    @property
    def entry(self) -> Entry:
        """Where to put messages for it."""

    @property
    def delivery(self) -> str:
        """What becomes of its messages when it crashes."""

    @property
    def status(self) -> Status:
        """What it is doing."""

    @property
    def shutdown_timeout(self) -> float | None:
        """Seconds it may take to stop; None for as long as it likes."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    @property
    def busy(self) -> bool:
        """Whether it has work that this node must wait for when it stops."""

    @property
    def asking(self) -> Mapping[str, str]:
        """The agents that its running handler waits for, by the id of its message to each."""

    def withdraw(self, message: Message, *, reader_left: bool = False) -> None:
        """The sender of `message` has stopped waiting."""


class Recipients(Protocol):
    """A conversation pool, or a name that several agents stand behind, as its senders see it."""

    def cell(self, conversation: str | None, message_id: str) -> Recipient:
        """The agent for a message of `conversation`."""


class Registry(dict[str, Recipient]):
    """Agents by name. A name is here from before its first start until its child spec is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Recipients] = {}
        """The conversation pools by name: a message to one is routed by its conversation."""
        self.groups: dict[str, Recipients] = {}
        """The names that several agents stand behind: a message to one is for one of them."""
        self.behind: set[str] = set()
        """Those agents; a pattern matches the name they stand behind in their place."""

    def route(self, to: str, conversation: str | None, message_id: str) -> Recipient:
        """The agent that a message to `to` is for.

        Raises:
            UnknownAgent: Nobody has that name.
            ConfigurationError: It is not a name.
        """
        if type(to) is not str:
            check_is_name(to, "the recipient")
        cell = self.get(to)
        if cell is not None:
            return cell
        several = self.pools.get(to) or self.groups.get(to)
        if several is not None:
            return several.cell(conversation, message_id)
        # A conversation that sleeps is addressed by its own name, too.
        name, slash, conversation = str(to).partition("/")
        if slash and (pool := self.pools.get(name)) is not None:
            return pool.cell(conversation, message_id)
        raise UnknownAgent(to, self.closest(to))

    def has(self, name: object) -> bool:
        """Whether somebody has that name, or a conversation of that name could begin."""
        if type(name) is not str:
            return False
        pool = name.partition("/")[0]
        return name in self or name in self.groups or pool in self.pools

    def closest(self, name: str) -> list[str]:
        """The names that are most like one that nobody has, at most three."""
        names = [*self, *self.pools, *self.groups]
        if len(names) > _COMPARED:
            names = _begin_or_end_as(name, names)
        return difflib.get_close_matches(name, names, 3)

    def matching(self, pattern: str) -> list[Recipient]:
        """The agents whose name matches the glob `pattern`."""
        return [
            cell
            for name, cell in self.items()
            if name not in self.behind and fnmatchcase(name, pattern)
        ]

    def cycle(self, asker: str, asked: str) -> list[str] | None:
        """The way on which an ask from `asker` to `asked` would wait for itself, or None."""
        if asker == asked:
            return [asker, asker]
        return self._path([asker, asked], asker, {asked})

    def _path(self, path: list[str], goal: str, seen: set[str]) -> list[str] | None:
        cell = self.get(path[-1])
        waits_for: Iterable[str] = cell.asking.values() if cell is not None else ()
        for name in waits_for:
            if name == goal:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                if found := self._path([*path, name], goal, seen):
                    return found
        return None

    async def interrupt(self) -> None:
        """End at once whatever the agents of this node are handling."""
        cells = (each for each in list(self.values()) if isinstance(each, Cell))
        await asyncio.gather(*(each.interrupt() for each in cells))


def _begin_or_end_as(name: str, names: list[str]) -> list[str]:
    """Some of the names that have most of their beginning or of their end in common with another."""
    for share in (0.75, 0.5, 0.25):
        length = max(1, int(len(name) * share))
        begin, end = name[:length], name[-length:]
        near = [each for each in names if each.startswith(begin) or each.endswith(end)]
        if near:
            return near[:_COMPARED]
    return []
