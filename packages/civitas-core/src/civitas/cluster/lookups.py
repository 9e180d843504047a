"""Names that a member finds when it uses them: asked for at the root, and forgotten when they are not used for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.letters import Letters
from civitas.errors import NodeDown, UnknownAgent
from civitas.node import Registry

__all__ = ["UNUSED_FOR", "Lookups"]

UNUSED_FOR = 600.0
"""Seconds after which a name that nothing was sent to is forgotten; at most twice that."""


class Lookups:
    """Finds names at the root, all of one turn of the loop together, and keeps those that are in use.

    The root tells what changes of a name only to the nodes that know it. It says where a name is before it says that it
    has answered, so what is heard of a name is always newer than what was heard before.

    Args:
        registry: Of this node.
        letters: Know the agents of others.
        call_root: Lets the root do something, and waits for that.
        tell_root: Says something to the root.
    """

    def __init__(
        self,
        registry: Registry,
        letters: Letters,
        call_root: Callable[..., Awaitable[Any]],
        tell_root: Callable[..., None],
    ) -> None:
        self._registry = registry
        self._letters = letters
        self._call_root = call_root
        self._tell_root = tell_root
        self._sought: dict[str, asyncio.Future[None]] = {}
        self._expected: set[str] = set()
        """Those, and the pools of those that are conversations."""
        self._again: set[str] = set()
        """Those that another root is asked for once more."""
        self._next: list[str] = []
        """Those of them that the root is asked for in the next turn."""
        self._asking: set[asyncio.Task[None]] = set()
        self._used: set[str] = set()
        """The names of others that were used since the last look at all of them."""
        self._timer: asyncio.TimerHandle | None = None

    def knows(self, to: object) -> bool:
        """Whether a message to `to` needs no look-up; what is not a name is refused by whoever takes the message."""
        if type(to) is not str:
            return True
        cell = self._registry.get(to)
        if cell is not None:
            if type(cell) is Elsewhere:
                self._used.add(to)
            return True
        pool = to.partition("/")[0]
        if pool in self._registry.pools:
            self._used.add(pool)
            return True
        return False

    async def find(self, to: str) -> None:
        """Wait until it is known where `to` is.

        Raises:
            UnknownAgent: Nobody has that name; says the closest.
            NodeDown: The root is gone.
        """
        found = self._sought.get(to)
        if found is None:
            loop = asyncio.get_running_loop()
            found = self._sought[to] = loop.create_future()
            if not self._next:
                loop.call_soon(self._ask_next)
            self._next.append(to)
            self._expected |= {to, to.partition("/")[0]}
        await asyncio.shield(found)
        self.knows(to)

    def hear(self, facts: Facts) -> None:
        """The root says where a name is; of one that was forgotten meanwhile nobody wants to know."""
        name = facts.name
        if name in self._again and facts.boot is None and self._is_reached(name):
            return  # the next root has not heard yet what runs there
        if name in self._expected or name in self._registry or name in self._registry.pools:
            self._letters.learn(facts)

    def again(self) -> None:
        """Another root leads, and does not know yet what this node knows: ask it for all of that."""
        names = self._letters.names
        known = dict.fromkeys(each.name for each in names.elsewhere() if each.pool is None)
        known |= dict.fromkeys(pool.name for pool in names.pools())
        if known:
            self._begin(self._ask_again([*known]))

    async def _ask_again(self, known: list[str]) -> None:
        self._again.update(known)
        with suppress(NodeDown):  # then the next one is asked
            for name in await self._call_root("whereis", known):
                self._letters.names.unlearn(name)
        self._again.clear()

    def _is_reached(self, name: str) -> bool:
        """Whether there is a way to an agent or a pool of another node."""
        known = self._registry.get(name) or self._registry.pools.get(name)
        boot = known.facts.boot if isinstance(known, Elsewhere | ElsewherePool) else None
        return self._letters.names.is_there(boot)

    def _ask_next(self) -> None:
        names, self._next = self._next, []
        self._begin(self._ask(names))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, names: list[str]) -> None:
        unknown: Mapping[str, list[str]] = {}
        failed: Exception | None = None
        try:
            unknown = await self._call_root("whereis", names)
        except Exception as error:
            failed = error
        for name in names:
            found = self._sought.pop(name)
            why = UnknownAgent(name, unknown[name]) if name in unknown else failed
            if why is None:
                found.set_result(None)
            else:
                found.set_exception(why)
                found.exception()  # whoever asked may have left
        if not self._sought:
            self._expected.clear()

    def watch(self) -> None:
        """Begin to forget what is not used."""
        self._timer = asyncio.get_running_loop().call_later(UNUSED_FOR, self._look)

    def _look(self) -> None:
        used, self._used = self._used, set()
        names = self._letters.names
        unused = [name for name in names.idle() if name not in used]
        for name in unused:
            names.unlearn(name)
        if unused:
            self._tell_root("let_go", unused)
        self.watch()

    def close(self) -> None:
        """Ask for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._asking:
            task.cancel()
