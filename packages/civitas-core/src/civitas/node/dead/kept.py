"""`KeptLetters`: the newest dead letters, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node.dead.letters import agent_of, is_worth_keeping
from civitas.transport.dead_letters import DeadLetterBox

__all__ = ["MOST", "KeptLetter", "KeptLetters"]

MOST = 1000
"""Dead letters that are kept if nobody says how many."""
_BYTES = 64 * 1024 * 1024
"""Bytes of payloads that are kept; the newest letter may alone have more."""
_BEHIND_THOSE_OF_A_BROKER = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A message that nobody will handle.

    Attributes:
        number: Its place among them.
        reason: One of `DeadLetterReason`.
        time: Unix seconds when it became one.
        message: The message.
    """

    number: int
    reason: str
    time: float
    message: Message

    @property
    def agent(self) -> str:
        """The agent or pool whose it is."""
        return agent_of(self.message, self.reason)


class KeptLetters:
    """The newest dead letters, the oldest first; with one more than `most`, or too many bytes, the oldest goes.

    Keeping one costs a few microseconds and waits for nothing, so that a flood of them slows nobody.
    """

    def __init__(self) -> None:
        self.most = MOST
        """How many are kept; 0 for none."""
        self._none = 0
        self.last = 0
        """The number of the newest."""
        self.changed: Callable[[], None] = lambda: None
        """Called when one comes or goes."""
        self.kept_elsewhere: Callable[[Message, DeadLetterReason], bool] = lambda *_: False
        """Whether a broker keeps a dead letter."""
        self.at_broker: Callable[[], DeadLetterBox | None] = lambda: None
        """Where a broker keeps others."""
        self._letters: OrderedDict[int, KeptLetter] = OrderedDict()
        self._bytes = 0

    def beside_broker(self, box: Callable[[], DeadLetterBox | None]) -> None:
        """A broker keeps those of other agents, in a box that is open or None: no number may mean one of each."""
        self.at_broker = box
        self.last = self._none = _BEHIND_THOSE_OF_A_BROKER

    def __len__(self) -> int:
        return len(self._letters)

    def __contains__(self, number: object) -> bool:
        return number in self._letters

    def all(self) -> list[KeptLetter]:
        """All of them, the oldest first."""
        return list(self._letters.values())

    def get(self, number: int) -> KeptLetter | None:
        """That of a number; None if there is none."""
        return self._letters.get(number)

    def keep(self, message: Message, reason: DeadLetterReason) -> None:
        """Keep one that came about here, unless it is of no use to people, or a broker has it."""
        if (
            self.most
            and is_worth_keeping(message, reason)
            and not self.kept_elsewhere(message, reason)
        ):
            self.add(str(reason), time.time(), message)

    def add(self, reason: str, at: float, message: Message) -> None:
        """Keep one, under the next number."""
        if self.most:
            self.last += 1
            self.put(KeptLetter(self.last, reason, at, message))

    def put(self, letter: KeptLetter) -> None:
        """Keep one that has a number."""
        self._letters[letter.number] = letter
        self._bytes += len(letter.message.raw)
        self.last = max(self.last, letter.number)
        while len(self._letters) > self.most or (self._bytes > _BYTES and len(self._letters) > 1):
            _, oldest = self._letters.popitem(last=False)
            self._bytes -= len(oldest.message.raw)
        self.changed()

    def drop(self, number: int) -> bool:
        """Forget one; False if it is not there."""
        letter = self._letters.pop(number, None)
        if letter is None:
            return False
        self._bytes -= len(letter.message.raw)
        self.changed()
        return True

    def clear(self) -> None:
        """Forget all, as another life of the system begins."""
        self._letters.clear()
        self._bytes, self.last = 0, self._none
