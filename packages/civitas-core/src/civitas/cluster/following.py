"""`Following`: the root that a member follows, and the time between two of them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.members.joining import Joining
from civitas.errors import NodeDown

__all__ = ["Following"]

logger = logging.getLogger("civitas")

_ONCE = ("chat", "tool", "spawn")
"""The calls that must not be made twice, as the last root may have done what they are for."""
_READS_OR_REPLACES = ("get", "get_many", "get_with_revision", "keys", "set", "delete")
"""The methods of a store that may."""


class Following:
    """Says things to the root, whichever that is; what is called for while there is none waits for the next.

    Args:
        name: Of the member.
        topology: Says which topology it has: a root with another one cannot take it over.
        joining: Its way to the root.
        calls: To the root.
        part: Called with the boot id of a root that is gone, and why: nothing that was sent to it will be answered.
        end: Ends the member, for a reason.
    """

    def __init__(
        self,
        name: str,
        topology: str,
        joining: Joining,
        calls: Calls,
        part: Callable[[str, str], None],
        end: Callable[[str], None],
    ) -> None:
        self.term = 0
        """That of the root; 0 if there is never another one."""
        self._name = name
        self._topology = topology
        self._joining = joining
        self._calls = calls
        self._part = part
        self._end = end
        self._patience = 0.0
        self._place, self._remind = "", 0.0
        self._next: asyncio.Future[None] | None = None
        """Done when there is a root again; None while there is one."""
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, what: str, *arguments: Any) -> None:
        """Say something to the root, and do not wait for that."""
        self._joining.root.cast(what, *arguments)

    async def call(self, what: str, *arguments: Any) -> Any:
        """Let the root do something; if it goes meanwhile, let the next one do it, where it may be done twice.

        Raises:
            NodeDown: There is no root, and none came.
            Exception: What it raised.
        """
        while True:
            if self._next is not None:
                await asyncio.shield(self._next)
            root = self._joining.root
            try:
                return await self._calls.call(root, what, *arguments)
            except NodeDown:
                there_is_a_next = self._next is not None or self._joining.root is not root
                if not (root.gone and there_is_a_next and _may_be_repeated(what, arguments)):
                    raise

    def begin(self, welcome: Mapping[str, Any]) -> None:
        """A root took this process in."""
        self.term, self._patience = welcome["term"], welcome["patience"]
        self._place, self._remind = welcome["place"], welcome["remind"]

    def lost(self, why: str) -> None:
        """The root is gone: end, or wait for the next if there may be one."""
        if not self._patience:
            self._end(why)
        elif self._next is None:
            logger.warning(
                "process %r: %s; waiting %g s for the next, and working on",
                self._name,
                why,
                self._patience,
            )
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            self._next.add_done_callback(_seen)
            if self._patience < math.inf:
                self._timer = loop.call_later(self._patience, self._give_up, why)
            self._let_go(why)
            self._joining.seek_next(self._place, self._remind)

    def _let_go(self, why: str) -> None:
        root = self._joining.root
        self._calls.abandon(root)
        self._part(root.boot, why)

    def silent(self, why: str) -> None:
        """The root could not be reached for the node timeout: it has gone on without this process, if it is there."""
        if self._patience == math.inf:
            self.lost(why)
        else:
            self._end(why)

    def takes_over(self, boot: str, welcome: Mapping[str, Any]) -> bool:
        """Another root took this process over; False if it does not lead any more, or cannot."""
        if welcome["term"] <= self.term:
            return False
        if welcome["topology"] != self._topology:
            self._end("the root that leads now has another topology")
            return False
        logger.info("process %r follows another root", self._name)
        self._let_go("another root leads now")
        self._joining.follow(boot, welcome)
        self.begin(welcome)
        if self._timer is not None:
            self._timer.cancel()
        found, self._next = self._next, None
        if found is not None:
            found.set_result(None)
        return True

    def close(self) -> None:
        """Wait for nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._next is not None and not self._next.done():
            self._next.set_exception(NodeDown("root", "root", "this process ends"))

    def _give_up(self, why: str) -> None:
        assert self._next is not None
        self._next.set_exception(NodeDown("root", "root", why))
        self._end(why)


def _may_be_repeated(what: str, arguments: tuple[Any, ...]) -> bool:
    if what == "store":
        return arguments[0] in _READS_OR_REPLACES
    return what not in _ONCE


def _seen(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()  # perhaps nobody waits for it
