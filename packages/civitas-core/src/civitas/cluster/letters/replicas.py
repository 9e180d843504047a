"""One name with several agents behind it, each in an OS process of its own: who gets which message."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process import ChildKind, Delivery, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from civitas.node import Registry

__all__ = ["Crew", "Replicas"]

_CONVERSATIONS = 100_000
"""Of so many it is remembered who has them; beyond, the one that was silent longest is assigned again."""

_CARE = (Delivery.AT_MOST_ONCE, Delivery.AT_LEAST_ONCE, Delivery.DURABLE)
"""From the least careful to the most."""


class Crew(Protocol):
    """One of the agents behind a name, as its supervisor sees it."""

    name: str
    status: Status

    @property
    def alive(self) -> bool:
        """Whether an incarnation of it runs."""

    def is_awake(self, conversation: str) -> bool:
        """Whether a process for a conversation is awake in it."""


class Replicas:
    """The agents, or the conversation pools, behind one name, as the root knows them.

    Each message goes to the one with the least to do; the messages of a conversation go to the one that got its first,
    for as long as the process of that is there. When that is gone they go on, in order, to another that is up.

    Args:
        name: What their senders send to.
        kind: What they are.
        registry: Has the mailbox of each.
    """

    def __init__(self, name: str, kind: ChildKind, registry: Registry) -> None:
        self.name = name
        self.kind = kind
        self._registry = registry
        self._children: dict[str, Crew] = {}
        """By name, the one that was chosen longest ago first."""
        self._given: OrderedDict[str, str] = OrderedDict()
        """Who has a conversation, the one that was silent longest first."""
        self._retiring: set[str] = set()
        """Those that get nothing new, as they are about to be removed."""

    def __len__(self) -> int:
        return len(self._children)

    def add(self, child: Crew) -> None:
        """One more stands behind the name."""
        self._children[child.name] = child

    def remove(self, name: str) -> None:
        """One of them is gone for good."""
        self._children.pop(name, None)
        self._retiring.discard(name)

    @property
    def children(self) -> list[Crew]:
        """They."""
        return list(self._children.values())

    @property
    def alive(self) -> bool:
        """Whether one of them runs."""
        return any(child.alive for child in self._children.values())

    def cell(self, conversation: str | None, message_id: str) -> Elsewhere:
        """The one for a message from the root."""
        return self.choose(conversation, None, message_id)

    def choose(
        self, conversation: str | None, sender: str | None, message_id: str = ""
    ) -> Elsewhere:
        """The one for a message.

        Args:
            conversation: Of the message.
            sender: Of the message; another is taken before it.
            message_id: Of the message.

        Raises:
            AgentTerminated: None of them will be started again.
        """
        there = {each.name: each for each in self._mailboxes() if not each.facts.closed}
        if not there:
            raise AgentTerminated(self.name, self._why_closed())
        name = self._given.get(conversation, "") if conversation is not None else ""
        if name not in there:
            staying = {name: each for name, each in there.items() if name not in self._retiring}
            name = self._least_busy(staying or there, sender)
        if conversation is not None:
            self._give(conversation, name)
        each = there[name]
        return each.cell(conversation, message_id) if isinstance(each, ElsewherePool) else each

    def holder(self, conversation: str) -> str:
        """The name of the one that has a conversation; empty for none."""
        return self._given.get(conversation, "")

    def unattended(self) -> Iterator[tuple[Message, int, Elsewhere]]:
        """Take from those whose process is gone what they have not finished, if another is up; see `taken_from`."""
        boxes = list(self._mailboxes())
        gone = [each.name for each in boxes if each.facts.boot is None]
        return self.taken_from(gone if any(map(self._is_up, boxes)) else [])

    def retire(self, name: str) -> None:
        """One is about to be removed: let others have what is new."""
        self._retiring.add(name)

    def taken_from(self, names: Collection[str]) -> Iterator[tuple[Message, int, Elsewhere]]:
        """Take from some of them their conversations, and what stands there.

        Returns:
            Each message, to how many incarnations it was given that were lost with it, and who is to have it; those of
            a conversation in order.
        """
        for conversation in [each for each, name in self._given.items() if name in names]:
            del self._given[conversation]
        for one in [each for each in self._mailboxes() if each.name in names]:
            for each in list(one.all()) if isinstance(one, ElsewherePool) else [one]:
                given = dict(each.outbox.times_given)
                for message in each.outbox.emptied():
                    yield message, given.get(message.id, 0), self._for(message)

    def _for(self, message: Message) -> Elsewhere:
        name = message.recipient.removeprefix(self.name).removeprefix("/")
        return self.choose(name or message.conversation, message.sender, message.id)

    def began(self, conversation: str | None, name: str) -> None:
        """An answer of `name` is of a conversation; if nobody has that yet, it began with this answer."""
        if conversation is not None and conversation not in self._given:
            self._give(conversation, name)

    def _give(self, conversation: str, name: str) -> None:
        self._given[conversation] = name
        self._given.move_to_end(conversation)
        if len(self._given) > _CONVERSATIONS:
            silent, holder = next(iter(self._given.items()))
            child = self._children.get(holder)
            if child is not None and child.is_awake(f"{self.name}/{silent}"):
                self._given.move_to_end(silent)  # it must not begin in another as well
            else:
                del self._given[silent]

    def _is_up(self, each: Elsewhere | ElsewherePool) -> bool:
        return self._children[each.name].status is Status.RUNNING and each.alive

    def _least_busy(self, there: dict[str, Elsewhere | ElsewherePool], sender: str | None) -> str:
        def how_busy(name: str) -> tuple[bool, bool, int]:
            return not self._is_up(there[name]), name == sender, there[name].load

        name = min(there, key=how_busy)
        self._children[name] = self._children.pop(name)  # among equals they take turns
        return name

    def facts(self, node: str, boot: str) -> Facts:
        """What every node knows of the name: its messages go to the root, who hands them on."""
        there = [each.facts for each in self._mailboxes() if not each.facts.closed]
        sizes = [facts.size for facts in there]
        delivery = max((facts.delivery for facts in there), key=_CARE.index, default=_CARE[0])
        return Facts(
            self.name,
            node,
            boot,
            self.kind,
            # Of a pool it is that of each conversation.
            size=(sum(sizes) if self.kind is ChildKind.AGENT else max(sizes, default=0)) or 1,
            delivery=delivery,
            closed="" if there else self._why_closed(),
            max_live=sum(facts.max_live for facts in there),
        )

    def _why_closed(self) -> str:
        whys = [each.facts.closed for each in self._mailboxes()]
        return whys[-1] if whys else "none of its replicas is left"

    def _mailboxes(self) -> Iterator[Elsewhere | ElsewherePool]:
        for name in self._children:
            each = self._registry.get(name) or self._registry.pools.get(name)
            # `Directory.announce` made it when the child was placed.
            assert isinstance(each, Elsewhere | ElsewherePool)
            yield each
