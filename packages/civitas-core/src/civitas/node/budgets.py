"""`Budgets`: which budgets a message counts against on this node, and what its handling spends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from civitas.budgets import Amounts, Budget, Claim, Per, Purses, Spending, Treasury, read_more
from civitas.errors import ConfigurationError
from civitas.node.registry import Registry
from civitas.process import Cell
from civitas.process.run_budget import BUDGET, claims_of

if TYPE_CHECKING:
    import asyncio

    from civitas.budgets.spending import Tells
    from civitas.message import Message
    from civitas.process.context import Budgeted
    from civitas.supervision import Parent

__all__ = ["Budgets"]


class Hosts(Protocol):
    """The node."""

    loop: asyncio.AbstractEventLoop
    owners: dict[str, Parent]
    supervisors: dict[str, Parent]
    registry: Registry
    treasury: Treasury


class Budgets:
    """The budgets of the agents of a node.

    Args:
        node: The node.
        purses: What may be spent here.
    """

    def __init__(self, node: Hosts, purses: Purses) -> None:
        self.purses = purses
        self._node = node
        self._told: dict[str, list[tuple[str, str, Budget]]] = {}
        """Those of the supervisors of what is hosted here for the root: kind, name, budget."""

    def begin(
        self, agent: Budgeted, message: Message | None, tells: Tells | None = None
    ) -> Spending:
        """An agent begins with a message; in `on_start` and `on_stop` with none. `tells` learns what calls cost."""
        claims = self.claims(agent, message)
        asks = agent._civitas_options.asks
        loop, handles = self._node.loop, message is not None
        return Spending(
            self.purses, agent.name, claims, loop, asks=asks, in_handler=handles, tells=tells
        )

    def claims(self, agent: Budgeted, message: Message | None) -> Sequence[Claim]:
        """The budgets that what an agent does for a message counts against."""
        name, family = agent.name, agent._civitas_family
        own = agent._civitas_options.budget
        conversation = message.conversation if message is not None else None
        id = message.id if message is not None else f"of {name}"
        found: list[Claim] = []
        if own is not None:
            # A conversation of a pool has its own; replicas share that of the name they stand behind.
            whose = name if name.startswith(f"{family}/") else family
            found.append(own.claim("agent", whose, conversation, id))
        found += (
            budget.claim(kind, who, conversation, id) for kind, who, budget in self.above(name)
        )
        if message is not None and BUDGET in message.headers:
            found += claims_of(message.headers)
        return found

    def limits(self, agent: Budgeted) -> bool:
        """Whether what an agent does counts against any budget, whatever the message."""
        options = agent._civitas_options
        if options.asks or options.budget is not None:
            return True
        return next(self.above(agent.name), None) is not None

    def above(self, name: str) -> Iterator[tuple[str, str, Budget]]:
        """The budgets of the supervisors of an agent: kind, name, budget."""
        at = name
        owner = self._node.owners.get(name)
        while owner is not None:
            if owner.budget is not None:
                yield str(owner.kind), owner.name, owner.budget
            at = getattr(owner, "address", owner.name)
            owner = owner.parent
        yield from self._told.get(at, ())

    async def raise_claim(self, claim: Claim, more: Amounts) -> None:
        """Let more be spent of a budget, wherever it is kept."""
        await self.purses.lends.raise_limit(claim, more)

    async def recall(self, key: str) -> list[Amounts]:
        """What is left of a budget in the purses of this node."""
        return [self.purses.recall(key)]

    async def states(self) -> list[dict[str, Any]]:
        """What is left of every budget that is known here, at the root."""
        claims = {each.key: each for each in (*self._declared(), *self._node.treasury.claims())}
        return [
            {"key": key, "of": claim.what, **await self._node.treasury.state(claim)}
            for key, claim in sorted(claims.items())
        ]

    async def states_of(self, name: str) -> list[dict[str, Any]]:
        """What is left of the budgets that an agent has: its own, and those of its supervisors."""
        above = {f"{kind}:{who}" for kind, who, _ in self.above(name)}
        own = f"agent:{name}"
        return [
            each
            for each in await self.states()
            if each["key"] in {own, *above} or each["key"].startswith(f"{own}/")
        ]

    async def raise_limit(self, key: str, more: Mapping[str, float]) -> None:
        """Let more be spent of a budget; see `Runtime.raise_budget`."""
        claims = {each.key: each for each in (*self._declared(), *self._node.treasury.claims())}
        claim = claims.get(key)
        if claim is None:
            known = f"there are: {', '.join(sorted(claims))}" if claims else "there are none"
            raise ConfigurationError(f"there is no budget {key!r}; {known}")
        await self._node.treasury.raise_limit(claim, read_more(claim, more))

    def _declared(self) -> Iterator[Claim]:
        """The budgets for everything that agents and supervisors here have, spent from or not."""
        for name, cell in list(self._node.registry.items()):
            own = cell.template._civitas_options.budget if isinstance(cell, Cell) else None
            if own is not None and own.per is Per.ALL:
                yield own.claim("agent", name, None, "")
        for name, supervisor in list(self._node.supervisors.items()):
            if (budget := supervisor.budget) is not None and budget.per is Per.ALL:
                yield budget.claim(str(supervisor.kind), name, None, "")

    def plain_above(self, name: str) -> list[list[Any]]:
        """The same as plain data, for the process that hosts the agent."""
        return [[kind, who, budget.plain()] for kind, who, budget in self.above(name)]

    def told(self, name: str, above: Sequence[Sequence[Any]]) -> None:
        """The root says what budgets the supervisors of an agent have that is to be hosted here."""
        self._told[name] = [(kind, who, Budget.of_plain(plain)) for kind, who, plain in above]
