"""Who lives where: the agents of a system by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from civitas.errors import UnknownAgent
from civitas.process import Cell
from civitas.supervision import ConversationPoolProcess

__all__ = ["Registry"]


class Registry(dict[str, Cell]):
    """Agents by name. A name is here from before its first start until its child spec is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, ConversationPoolProcess] = {}
        """The conversation pools by name: a message to one is routed by its conversation."""

    def route(self, to: str, conversation: str | None, message_id: str) -> Cell:
        """The agent that a message to `to` is for.

        Raises:
            UnknownAgent: Nobody has that name.
        """
        cell = self.get(to)
        if cell is not None:
            return cell
        pool = self.pools.get(to)
        if pool is not None:
            return pool.cell(conversation, message_id)
        # A conversation that sleeps is addressed by its own name, too.
        name, slash, conversation = str(to).partition("/")
        if slash and (pool := self.pools.get(name)) is not None:
            return pool.cell(conversation, message_id)
        raise UnknownAgent(to, difflib.get_close_matches(str(to), [*self, *self.pools], 3))

    def matching(self, pattern: str) -> list[Cell]:
        """The agents whose name matches the glob `pattern`."""
        return [cell for name, cell in self.items() if fnmatchcase(name, pattern)]

    def cycle(self, asker: str, asked: str) -> list[str] | None:
        """The way on which an ask from `asker` to `asked` would wait for itself, or None."""
        if asker == asked:
            return [asker, asker]
        return self._path([asker, asked], asker, {asked})

    def _path(self, path: list[str], goal: str, seen: set[str]) -> list[str] | None:
        cell = self.get(path[-1])
        waits_for: Iterable[str] = cell.asking if cell is not None else ()
        for name in waits_for:
            if name == goal:
                return [*path, name]
            if name not in seen:
                seen.add(name)
                if found := self._path([*path, name], goal, seen):
                    return found
        return None
