"""`RootMailboxes`: what the root does with mailboxes that the broker keeps, for its own agents and for all others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.directory import Directory
from civitas.cluster.durable.asked import asked_by_all
from civitas.cluster.durable.broker import Broker, Wanted
from civitas.cluster.durable.durable import Durable
from civitas.cluster.durable.entries import KeptPool
from civitas.cluster.durable.granting import Granting, Left
from civitas.cluster.durable.shared import SharedMailboxes
from civitas.cluster.facts import Facts
from civitas.cluster.letters.letters import Letters, Local
from civitas.cluster.letters.relay import Relay
from civitas.cluster.peers import Peer
from civitas.errors import ConfigurationError, DeliveryError
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node.dead.kept import KeptLetters
from civitas.process import AgentProcess, Cell, ChildKind, Delivery
from civitas.supervision import ConversationPoolProcess, Parent

__all__ = ["RootMailboxes"]

logger = logging.getLogger("civitas")

_PATIENCE = 10.0
"""Seconds that the broker is waited for at the start."""
_PAUSE = 0.5
"""Seconds before a mailbox is tried again that could not be read."""


class RootTree(Local, Protocol):
    """The root, as it is seen here."""

    boot: str
    stays: Callable[[Message, DeadLetterReason], bool]
    """Whether a message that nobody here will handle stays where it is kept."""
    is_passed_on: Callable[[Message, DeliveryError], bool]
    """Whether another program answers a message."""
    outlives: Callable[[Cell], bool]
    """Whether the messages of an agent outlive this program."""
    dead: KeptLetters


class RootMailboxes:
    """The mailboxes of a system, at its root.

    Args:
        tree: The root.
        letters: Its messages.
        relay: Has what stands behind a name.
        broker: What keeps messages; None if nothing does.
        calls: To other nodes.
        was_there: Whether a process ran already when this root began to lead.
    """

    def __init__(
        self,
        tree: RootTree,
        letters: Letters,
        relay: Relay,
        broker: Broker | None,
        calls: Calls,
        was_there: Callable[[Peer], bool],
    ) -> None:
        self._tree = tree
        self._durable: Durable | None = None
        self._granting: Granting | None = None
        self.shared: SharedMailboxes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        if broker is not None and broker.keeper is not None:
            self._granting = Granting(broker.keeper, broker.wanted, tree.boot)
            self._durable = letters.keeping(
                tree, broker.mailboxes, lambda: tree.boot, self._renew_here, _knows_all, moves=True
            )
            unread_at_end = self._durable.unread_at_end
            tree.stays, tree.is_passed_on = unread_at_end.keep, unread_at_end.is_passed_on
            tree.outlives = unread_at_end.outlives
            burying = self._durable.burying
            tree.dead.kept_elsewhere = burying.keeps
            tree.dead.beside_broker(lambda: burying.box)
            self.shared = SharedMailboxes(
                tree.name, tree.boot, self._granting, self._durable, relay, letters.out
            )
        self._wants_some = broker is not None and bool(broker.wanted)
        self._all_are_kept = broker is not None and broker.of_all
        self._calls = calls
        self.announce: Callable[[str, AgentProcess], None] = _unannounced
        """Lets an agent of the root be known."""
        self._was_there = was_there

    def announced_by(self, directory: Directory) -> None:
        """What becomes known is announced by that."""
        self.announce = directory.announce_agent
        if self.shared is not None:
            self.shared.announce = directory.announce_group

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self) -> None:
        """Make the mailboxes that the topology asks for.

        Raises:
            ConfigurationError: The broker cannot keep messages, or has one of them with other settings.
        """
        if self._durable is not None and self._granting is not None and self._wants_some:
            self._durable.unread_at_end.reset()
            await self._granting.open()
            await self._durable.open(_PATIENCE)

    @property
    def are_kept(self) -> bool:
        """Whether the broker keeps the messages of agents that want that."""
        return self._durable is not None

    def address(self, name: str) -> str:
        """Where the messages of an agent are kept; empty if they are not."""
        return "" if self._granting is None else self._granting.address(name)

    def completed(self, facts: Facts) -> Facts:
        """What is known of an agent of another process that has not started yet, with its mailbox."""
        if self._granting is None:
            return facts
        size, address = self._granting.size(facts.name), self._granting.address(facts.name)
        return replace(facts, size=size, mailbox=address)

    def placed(self, family: str) -> None:
        """One of those behind a name, if that is not empty, has a place in the tree."""
        if family and self.shared is not None:
            self.shared.placed(family)

    # Agents of the root.

    def choose(self, agent: AgentProcess) -> None:
        """Give an agent the delivery that the system has for all."""
        if self._all_are_kept and agent._civitas_options.delivery is Delivery.AT_MOST_ONCE:
            sure = agent._civitas_options.delivered(Delivery.AT_LEAST_ONCE)
            agent._civitas_options = sure

    def entered(self, cell: Any, owner: Parent) -> None:
        """An agent, or a conversation of a pool, has a place here: read its mailbox as soon as it has started."""
        pool = owner if isinstance(owner, ConversationPoolProcess) else None
        if self._durable is None or cell.delivery == Delivery.AT_MOST_ONCE:
            return
        if pool is not None:
            if address := self.address(pool.name):
                key = "" if pool.is_alone(cell.name) else cell.name.partition("/")[2]
                cell.entry = self._durable.entry_beside(cell.mailbox, address, key)
            return
        if address := self.address(cell.name):
            cell.entry = self._durable.entry_beside(cell.mailbox, address, "")
        cell.on_ready = partial(self._is_ready, cell)

    def _is_ready(self, cell: Cell) -> None:
        options = cell.template._civitas_options
        wanted = Wanted(options.mailbox_size)
        self._begin(self._read(cell.name, wanted, lambda _: cell, options.max_deliveries, cell))

    def joined(self, pool: ConversationPoolProcess, facts: Facts, way: Any) -> None:
        """A pool has a place here: read its mailbox."""
        options = pool.pool.child._civitas_options
        wanted = Wanted.of(options, several=True)
        if self._durable is None or wanted is None or not facts.mailbox:
            return
        self._tree.registry.pools[pool.name] = KeptPool(pool, facts, way)
        route = partial(_conversation, pool)
        self._begin(self._read(pool.name, wanted, route, options.max_deliveries, None))

    async def _read(
        self,
        name: str,
        wanted: Wanted,
        route: Callable[[Message], Cell],
        max_deliveries: int,
        cell: Cell | None,
    ) -> None:
        assert self._granting is not None
        assert self._durable is not None  # or nothing is read
        while True:
            try:
                known = bool(self.address(name))
                address = await self._granting.make(name, wanted)
                handed = await self._granting.hand_over(name, self._tree.boot)
                if handed is None:
                    return
                if cell is not None and not known:
                    cell.entry = self._durable.entry_beside(cell.mailbox, address, "")
                    self.announce(name, cell.template)
                await self._durable.read(
                    name,
                    address,
                    route,
                    size=wanted.size,
                    max_deliveries=max_deliveries,
                    given=handed.given,
                    finished=handed.finished,
                )
                return
            except Exception:
                logger.exception("the mailbox of %r cannot be read", name)
                await asyncio.sleep(_PAUSE)

    # Agents of other processes.

    async def grant(
        self, name: str, kind: str, options: Mapping[str, Any], peer: Peer, family: str
    ) -> str:
        """Hand the mailbox of an agent to the process that has started it; see `RootServices.grant`.

        Raises:
            ConfigurationError: The broker cannot keep its messages.
            NodeDown: The process is gone.
        """
        if self._granting is None:
            return ""
        if family and self.shared is not None:
            await self.shared.read(family, kind, options)
            return ""
        wanted = Wanted(options["size"], kind == ChildKind.CONVERSATION_POOL)
        address = await self._granting.make(name, wanted)
        handed = await self._granting.hand_over(name, peer.boot, had_it=self._was_there(peer))
        if handed is not None:
            told = dict(handed.given), dict(handed.finished)
            await self._calls.call(peer, "read", name, address, *told)
        return address

    async def renew(self, peer: Peer, name: str) -> dict[str, int]:
        """A process may have lost something of a mailbox."""
        if self._granting is None:
            raise ConfigurationError("the broker keeps nothing for this system")
        return dict(await self._granting.renew(name, peer.boot))

    async def _renew_here(self, name: str) -> Mapping[str, int]:
        """The root itself may have."""
        assert self._granting is not None  # or nothing is read
        return await self._granting.renew(name, self._tree.boot)

    @property
    def asked_by_all(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What any other node may ask of this one."""
        return asked_by_all(lambda: self._durable)

    def has_left(self, boot: str, left: Left) -> None:
        """A process is gone."""
        if self._granting is not None:
            self._granting.has_left(boot, left)

    def forget(self, name: str) -> None:
        """An agent is gone for good."""
        if self.shared is not None:
            self.shared.forget(name)
        if self._granting is not None and self.address(name):
            self._begin(self._forget(name))

    async def _forget(self, name: str) -> None:
        assert self._granting is not None
        assert self._durable is not None  # it had a mailbox
        await self._durable.leave(name)
        try:
            await self._granting.forget(name)
        except Exception as error:
            logger.warning("the mailbox of %r was not removed: %s", name, error)

    # The end.

    def end(self) -> None:
        """What is not handled stays where it is from now on: the system stops."""
        if self._durable is not None:
            self._durable.unread_at_end.ending = True

    def pass_on(self) -> None:
        """Another root goes on with what is not handled, and takes it out of the mailboxes."""
        if self._durable is not None:
            self._durable.unread_at_end.pass_on()

    async def is_empty(self) -> bool:
        """Whether nothing is in the mailboxes."""
        return self._granting is None or await self._granting.is_empty()

    async def close(self, *, well: bool, run_on: Collection[str] = ()) -> None:
        """Read and put nothing any more. What is not finished stays.

        Args:
            well: Whether the system stops; otherwise another root leads, and the mailboxes are its business.
            run_on: The runs of the processes that go on with theirs, for another root.
        """
        if self.shared is not None:
            self.shared.clear()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._durable is not None:
            await self._durable.close()
        if self._granting is not None:
            await self._granting.close(well=well, run_on=run_on)


def _unannounced(name: str, agent: AgentProcess) -> None: ...


async def _knows_all(boot: str) -> None:
    """The root has met everybody who is there."""


def _conversation(pool: ConversationPoolProcess, message: Message) -> Cell:
    return pool.cell(message.conversation, message.id)
