"""`Errands`: what the agents of a member have the root do for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from civitas.cluster.hosting import Hosting
from civitas.cluster.recipe import recipe_of
from civitas.node.administration import holding_if_waiting
from civitas.node.last_words import LastWords
from civitas.process import AgentProcess, Caller

__all__ = ["Errands"]


class Errands:
    """Has the root start and end agents.

    Args:
        hosting: The agents of the member.
        call_root: Lets the root do something, and waits for that.
        last_words: Of the member: of agents elsewhere the root knows when they are down.
    """

    def __init__(
        self,
        hosting: Hosting,
        call_root: Callable[..., Awaitable[Any]],
        last_words: LastWords,
    ) -> None:
        self._hosting = hosting
        self._call_root = call_root
        last_words.goes_down = lambda name: call_root("until_down", name)

    async def spawn(self, sender: Caller, agent: AgentProcess, supervisor: str | None) -> None:
        """Start `agent` in this process, under a dynamic supervisor of the tree."""
        recipe = recipe_of(agent)
        self._hosting.will_host(agent)
        try:
            with holding_if_waiting(sender, [agent.name]):
                await self._call_root("spawn", sender.name, supervisor, recipe)
        except BaseException:
            self._hosting.will_not_host(agent.name)
            raise

    async def terminate(self, sender: Caller, name: str) -> bool:
        """End an agent that was spawned; False if it is not there."""
        with holding_if_waiting(sender, [name]):
            ended: bool = await self._call_root("terminate", sender.name, name)
        return ended
