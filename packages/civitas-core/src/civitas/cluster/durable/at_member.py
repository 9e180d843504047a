"""`MemberMailboxes`: what a member does with mailboxes that the broker keeps, for the agents that it hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from civitas.cluster.durable.asked import asked_by_all
from civitas.cluster.durable.broker import Broker
from civitas.cluster.facts import Facts
from civitas.cluster.hosting import Hosting
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.letters import Letters, Local
from civitas.cluster.members.joining import Joining
from civitas.cluster.peers import Peer
from civitas.errors import DeliveryError
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node.dead.kept import KeptLetters
from civitas.process import AgentProcess, Cell, ChildKind, Delivery
from civitas.supervision import ConversationPool, ConversationPoolProcess

if TYPE_CHECKING:
    from civitas.cluster.durable.durable import Durable

__all__ = ["MemberMailboxes"]


class HostNode(Local, Protocol):
    """The member."""

    stays: Callable[[Message, DeadLetterReason], bool]
    """Whether a message that nobody here will handle stays where it is kept."""
    is_passed_on: Callable[[Message, DeliveryError], bool]
    """Whether another program answers a message."""
    outlives: Callable[[Cell], bool]
    """Whether the messages of an agent outlive this program."""
    dead: KeptLetters

    def close_door(self) -> None:
        """Its agents are about to be stopped for good."""

    async def call_root(self, what: str, *arguments: Any) -> Any:
        """Let the root do something."""


class MemberMailboxes:
    """The mailboxes of the agents of one member.

    Args:
        node: The member.
        letters: Its messages.
        joining: Its way to the root.
        hosting: Its agents.
        broker: What keeps messages; None if nothing does.
    """

    def __init__(
        self,
        node: HostNode,
        letters: Letters,
        joining: Joining,
        hosting: Hosting,
        broker: Broker | None,
    ) -> None:
        self._node = node.name
        self._close_door = node.close_door
        self._registry = node.registry
        self._way = letters.out
        self._hosted = hosting.get
        self._all_are_kept = broker is not None and broker.of_all
        self._durable: Durable | None = None
        if broker is not None:
            self._durable = letters.keeping(
                node,
                broker.mailboxes,
                lambda: joining.boot,
                partial(node.call_root, "renew"),
                partial(node.call_root, "meet"),
            )
            unread_at_end = self._durable.unread_at_end
            node.stays, node.is_passed_on = unread_at_end.keep, unread_at_end.is_passed_on
            node.outlives = unread_at_end.outlives
            node.dead.kept_elsewhere = self._durable.burying.keeps
        self._addresses: dict[str, str] = {}

    def will_host(self, name: str, made: AgentProcess | ConversationPool) -> None:
        """An agent is about to have its place here: remember where its messages are kept, if the root has said so."""
        if self._all_are_kept:
            agent = made.child if isinstance(made, ConversationPool) else made
            agent._civitas_options = agent._civitas_options.delivered(Delivery.AT_LEAST_ONCE)
        known = self._registry.get(name) or self._registry.pools.get(name)
        if isinstance(known, Elsewhere | ElsewherePool) and known.facts.mailbox:
            self._addresses[name] = known.facts.mailbox

    def entered(self, cell: Cell) -> Cell:
        """An agent, or a conversation of a pool, has its place here: what is sent to it from here is kept, too."""
        pool, _, key = cell.name.partition("/")
        address = self._addresses.get(pool)
        if self._durable is not None and address:
            process = self._hosted(pool)
            if isinstance(process, ConversationPoolProcess) and process.is_alone(cell.name):
                key = ""
            cell.entry = self._durable.entry_beside(cell.mailbox, address, key)
        return cell

    async def read(
        self,
        _: Peer,
        name: str,
        address: str,
        given: Mapping[str, int],
        finished: Mapping[str, int],
    ) -> None:
        """The root has handed the mailbox of an agent to this member."""
        child = self._hosted(name)
        if self._durable is None or child is None:
            return
        self._addresses[name] = address
        if isinstance(child, Cell):
            options = child.template._civitas_options
            route: Callable[[Message], Cell] = partial(_itself, child)
            self.entered(child)
        else:
            options = child.pool.child._civitas_options
            route = partial(_conversation, child)
            facts = Facts(
                name,
                self._node,
                kind=ChildKind.CONVERSATION_POOL,
                size=options.mailbox_size,
                delivery=options.delivery,
                mailbox=address,
            )
            from civitas.cluster.durable.entries import KeptPool

            self._registry.pools[name] = KeptPool(child, facts, self._way)
        await self._durable.read(
            name,
            address,
            route,
            size=options.mailbox_size,
            max_deliveries=options.max_deliveries,
            given=given,
            finished=finished,
        )

    @property
    def asked_by_all(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What any other node may ask of this one."""
        return asked_by_all(lambda: self._durable)

    def end(self) -> None:
        """What is not handled stays where it is from now on."""
        self._close_door()
        if self._durable is not None:
            self._durable.unread_at_end.ending = True

    def pass_on(self) -> None:
        """Another process goes on with what is not handled."""
        if self._durable is not None:
            self._durable.unread_at_end.pass_on()

    def stopping(self, then: Callable[[], None]) -> None:
        """The whole system stops."""
        self.end()
        then()

    async def close(self) -> None:
        """Read and put nothing any more."""
        if self._durable is not None:
            await self._durable.close()


def _itself(cell: Cell, message: Message) -> Cell:
    return cell


def _conversation(pool: ConversationPoolProcess, message: Message) -> Cell:
    return pool.cell(message.conversation, message.id)
