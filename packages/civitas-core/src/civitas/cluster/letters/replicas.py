"""One name with several agents behind it, each in an OS process of its own: who gets which message."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.errors import AgentTerminated
from civitas.process import Delivery, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from civitas.node import Registry

__all__ = ["Crew", "Replicas"]

_CONVERSATIONS = 100_000
"""Of so many it is remembered who has them; beyond, the one that was silent longest is assigned again."""


class Crew(Protocol):
    """One of the agents behind a name, as its supervisor sees it."""

    name: str
    status: Status

    @property
    def alive(self) -> bool:
        """Whether an incarnation of it runs."""


class Replicas:
    """The agents behind one name, as the root knows them.

    Each message goes to the one with the fewest that are not finished; the messages of a conversation go to the one
    that got its first, for as long as that may run again.

    Args:
        name: What their senders send to.
        registry: Has the mailbox of each.
    """

    def __init__(self, name: str, registry: Registry) -> None:
        self.name = name
        self._registry = registry
        self._children: dict[str, Crew] = {}
        """By name, the one that was chosen longest ago first."""
        self._given: OrderedDict[str, str] = OrderedDict()
        """Who has a conversation, the one that was silent longest first."""

    def __len__(self) -> int:
        return len(self._children)

    def add(self, child: Crew) -> None:
        """One more stands behind the name."""
        self._children[child.name] = child

    def remove(self, name: str) -> None:
        """One of them is gone for good."""
        self._children.pop(name, None)

    @property
    def alive(self) -> bool:
        """Whether one of them runs."""
        return any(child.alive for child in self._children.values())

    def cell(self, conversation: str | None, message_id: str) -> Elsewhere:
        """The one for a message from the root."""
        return self.choose(conversation, None)

    def choose(self, conversation: str | None, sender: str | None) -> Elsewhere:
        """The one for a message.

        Args:
            conversation: Of the message.
            sender: Of the message; another is taken before it.

        Raises:
            AgentTerminated: None of them will be started again.
        """
        there = {each.name: each for each in self._mailboxes() if not each.facts.closed}
        if not there:
            raise AgentTerminated(self.name, self._why_closed())
        if conversation is None:
            return there[self._least_busy(there, sender)]
        name = self._given.get(conversation, "")
        if name not in there:
            name = self._least_busy(there, sender)
        self._give(conversation, name)
        return there[name]

    def began(self, conversation: str | None, name: str) -> None:
        """An answer of `name` is of a conversation; if nobody has that yet, it began with this answer."""
        if conversation is not None and conversation not in self._given:
            self._give(conversation, name)

    def _give(self, conversation: str, name: str) -> None:
        self._given[conversation] = name
        self._given.move_to_end(conversation)
        if len(self._given) > _CONVERSATIONS:
            self._given.popitem(last=False)

    def _least_busy(self, there: dict[str, Elsewhere], sender: str | None) -> str:
        def how_busy(name: str) -> tuple[bool, bool, int]:
            outbox = there[name].outbox
            up = self._children[name].status is Status.RUNNING and outbox.way_is_open
            return not up, name == sender, len(outbox) + outbox.waiting

        name = min(there, key=how_busy)
        self._children[name] = self._children.pop(name)  # among equals they take turns
        return name

    def facts(self, node: str, boot: str) -> Facts:
        """What every node knows of the name: its messages go to the root, who hands them on."""
        there = [each for each in self._mailboxes() if not each.facts.closed]
        size = sum(each.facts.size for each in there)
        closed = "" if there else self._why_closed()
        sure = any(each.facts.delivery == Delivery.AT_LEAST_ONCE for each in there)
        delivery = Delivery.AT_LEAST_ONCE if sure else Delivery.AT_MOST_ONCE
        return Facts(self.name, node, boot, size=size or 1, delivery=delivery, closed=closed)

    def _why_closed(self) -> str:
        whys = [each.facts.closed for each in self._mailboxes()]
        return whys[-1] if whys else "none of its replicas is left"

    def _mailboxes(self) -> Iterator[Elsewhere]:
        for name in self._children:
            each = self._registry[name]
            assert isinstance(
                each, Elsewhere
            )  # `Directory.announce` made it when the child was placed
            yield each
