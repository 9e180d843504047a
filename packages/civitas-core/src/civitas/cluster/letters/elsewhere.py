"""Agents that another node hosts, as the senders of this one see them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.letters.holding import HeldEntry, Holder
from civitas.cluster.letters.outbox import Outbox
from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from civitas.process import Entry

__all__ = ["Elsewhere", "ElsewherePool", "Way"]


class Way(Protocol):
    """How messages go to the agents of other nodes."""

    @property
    def check(self) -> Callable[[Message], None]:
        """Raises `PayloadError` for a message that cannot travel."""

    def post(self, each: Elsewhere, message: Message) -> None:
        """Send a message on its way."""

    def withdrawn(self, each: Elsewhere, message: Message, reader_left: bool) -> None:
        """Whoever asked is gone."""

    def idle(self, each: Elsewhere) -> None:
        """Nothing is on the way any more to a conversation."""

    def holder_for(self, facts: Facts) -> Holder | None:
        """Who must have what is sent to an agent before it is accepted; None for nobody."""

    def accepting_entry(self, each: Elsewhere) -> Entry | None:
        """Where the messages for an agent are put if they are kept in the state store; otherwise None."""

    @property
    def kept_entry(self) -> Callable[[Elsewhere], Entry | None]:
        """Where the messages for an agent, or for a conversation, are put if the broker keeps them; otherwise None."""


class Elsewhere:
    """An agent that another node hosts. To a router it is what a `Cell` is: a name with an entry."""

    __slots__ = (
        "_node",
        "_way",
        "boot",
        "entry",
        "facts",
        "key",
        "name",
        "outbox",
        "pool",
        "turning",
    )

    def __init__(
        self, facts: Facts, way: Way, pool: ElsewherePool | None = None, key: str = ""
    ) -> None:
        self.name = facts.name
        self.pool = pool
        self.key = key
        """The conversation that it is; empty for an agent, and for a message of no conversation."""
        self.facts = facts
        self.boot = facts.boot
        """The run of the node that messages for it go to; None while that is down."""
        self._node = facts.node
        self.turning = False
        """Whether it is to go to another node, as soon as nothing is on the way to this one."""
        self.outbox = Outbox(facts.name, facts.size, partial(way.post, self), way.check)
        if pool is not None:
            self.outbox.on_spare = partial(way.idle, self)
        self.entry: Entry = self.outbox
        """Where its senders put messages for it."""
        self._way = way

    @property
    def status(self) -> Status:
        """What is known here of it; its supervisor knows more."""
        if self.facts.closed:
            return Status.STOPPED
        return Status.RUNNING if self.outbox.way_is_open else Status.RESTARTING

    @property
    def delivery(self) -> str:
        """As far as that is known; otherwise the more careful one."""
        return self.facts.delivery

    @property
    def asking(self) -> Mapping[str, str]:
        """Whom its handler waits for is known where it runs."""
        return {}

    @property
    def shutdown_timeout(self) -> float | None:
        """Its process looks after that."""
        return 0.0

    @property
    def busy(self) -> bool:
        """Whether it works is known where it runs."""
        return False

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.outbox.way_is_open

    @property
    def load(self) -> int:
        """How many messages of this node it is not finished with, or wait for room."""
        return len(self.outbox) + self.outbox.waiting

    def withdraw(self, message: Message, *, reader_left: bool = False) -> None:
        """Whoever asked is gone."""
        self._way.withdrawn(self, message, reader_left)

    def learn(self, facts: Facts) -> list[Message]:
        """Take over what is known of it now.

        Returns:
            The messages that nobody will take any more.
        """
        self.facts = facts
        if (kept := self._way.kept_entry(self)) is not None:
            self.entry = kept
        elif (accepting := self._way.accepting_entry(self)) is not None:
            self.entry = accepting
        else:
            holder = self._way.holder_for(facts)
            self.entry = self.outbox if holder is None else HeldEntry(self.outbox, holder)
        self.turn()
        self.outbox.size = facts.size
        left: list[Message] = []
        if facts.closed:
            was_open = self.outbox.way_is_open
            refused = self.outbox.close(lambda: AgentTerminated(self.name, self.facts.closed))
            # What was sent is refused by the process itself, or went down with it.
            left = [] if was_open else refused
        else:
            self.outbox.reopen()
        return left

    def turn(self) -> bool:
        """Send what comes from now on if it is to go now.

        While something is on its way to another node that stays as it is: what comes behind it must not overtake it.

        Returns:
            Whether it goes to another node from now on.
        """
        turned = self._node != self.facts.node
        self.turning = turned and not self.outbox.idle
        if self.turning:
            return False
        self._node, self.boot = self.facts.node, self.facts.boot
        if turned:
            self.outbox.close_way()
        return turned


class ElsewherePool:
    """A conversation pool that another node hosts: each conversation has a mailbox of its own there, and so here.

    A sender to more conversations than may be awake there, and wait for that, waits here: memory stays bounded.
    """

    __slots__ = ("_conversations", "_held", "_way", "alive", "facts", "name")

    def __init__(self, facts: Facts, way: Way) -> None:
        self.name = facts.name
        self.facts = facts
        self.alive = _is_there(facts)
        """Whether its process is there, and takes messages."""
        self._way = way
        self._conversations: dict[str, Elsewhere] = {}
        self._held: dict[str, None] = {}
        """Those whose senders wait, in the order they came."""

    def cell(self, conversation: str | None, message_id: str) -> Elsewhere:
        """The process for a message of `conversation`."""
        shown = self.facts.behind or self.name  # a conversation may move to another of that name
        name = f"{shown}/{conversation if conversation is not None else message_id}"
        found = self._conversations.get(name)
        if found is None:
            facts = Facts(name, *self.facts.plain()[1:])
            found = Elsewhere(facts, self._way, self, conversation or "")
            found.learn(facts)
            if self._way.kept_entry(found) is not None:
                return found  # nothing of it stands here
            if not self._has_room():
                self._held[name] = None
                found.outbox.hold()
            self._conversations[name] = found
            if self.alive:
                found.outbox.open_way()
        return found

    def find(self, name: str) -> Elsewhere | None:
        """The conversation `name`, where this node sent something to it that is not finished."""
        return self._conversations.get(name)

    @property
    def load(self) -> int:
        """How many conversations have something on the way there."""
        return len(self._conversations)

    def address(self, message: Message) -> str:
        """Where a message for one of its conversations goes on the node that hosts it."""
        behind = self.facts.behind
        return self.name + message.recipient.removeprefix(behind) if behind else message.recipient

    def all(self) -> Iterator[Elsewhere]:
        """Its conversations that this node sent to; those with nothing on the way are forgotten."""
        for name, each in list(self._conversations.items()):
            if not each.outbox.is_needed:
                del self._conversations[name]
                self._held.pop(name, None)
            else:
                yield each
        self._let_in()

    def forget(self, each: Elsewhere) -> None:
        """Nothing is on the way to a conversation: it needs no place here."""
        if self._conversations.get(each.name) is each:  # it may have begun again meanwhile
            del self._conversations[each.name]
            # Messages for a durable one go there from the store, whether it has a place or not.
            self._held.pop(each.name, None)
        self._let_in()

    def _has_room(self) -> bool:
        going = len(self._conversations) - len(self._held)
        return going < self.facts.max_live + self.facts.size

    def _let_in(self) -> None:
        while self._held and self._has_room():
            name = next(iter(self._held))
            del self._held[name]
            each = self._conversations[name]
            if not each.outbox.is_needed:  # who waited has given up
                del self._conversations[name]
            else:
                each.outbox.let_in()

    def learn(self, facts: Facts) -> list[Message]:
        """Take over what is known of it now."""
        self.facts = facts
        self.alive = _is_there(facts)
        left: list[Message] = []
        for each in self.all():
            left += each.learn(Facts(each.name, *facts.plain()[1:]))
        return left


def _is_there(facts: Facts) -> bool:
    return facts.boot is not None and not facts.closed
