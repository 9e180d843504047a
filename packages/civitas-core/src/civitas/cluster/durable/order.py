"""Puts what was read from a mailbox into the order in which each node sent it."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import TypeAlias

from civitas.cluster.durable.lanes import Settled
from civitas.cluster.durable.parcels import KeptMessage
from civitas.errors import NodeDown
from civitas.transport.mailboxes import Letter

__all__ = ["InOrder", "LaneId"]

LaneId: TypeAlias = tuple[str, str]
"""The run of the sending node, and the conversation where each is a line of its own."""

_Held: TypeAlias = tuple[int, int, Letter, KeptMessage]
"""Number and place, by which they are sorted, before what was read."""

_GRACE = 2.0
"""Seconds for what is known to be stored to be read."""
_REMEMBERED = 10_000
"""Of so many lines the last number is known; of others the sender is asked, should something seem to be missing."""
_UNSURE = 256
"""The most of one line of which its node does not know whether they are stored; and the most such lines."""
_NOTHING = 0, 0
_NONE: Mapping[int, int] = MappingProxyType({})


class InOrder:
    """Holds back what was stored before something that was sent earlier.

    That is seldom: a mailbox had no room for one message and then for the next, or a server was lost with one of them.
    A message whose predecessor was surely stored, or has been here, goes through at once. An incarnation of an agent in
    another process has a line of its own: what it sends waits for what is held back of the incarnation before it.

    Args:
        deliver: Takes each in its turn.
        ask: Asks the node of a line about everything up to a number, as `Lanes.settled`; None if that node is gone.
        drop: Forgets what was taken out again.
    """

    def __init__(
        self,
        deliver: Callable[[Letter, KeptMessage], None],
        ask: Callable[[LaneId, int], Awaitable[Settled | None]],
        drop: Callable[[Letter], None],
    ) -> None:
        self._deliver = deliver
        self._ask = ask
        self._drop = drop
        self._last: OrderedDict[LaneId, tuple[int, int]] = OrderedDict()
        """The number that was handed over last, of each line, and its place."""
        self._unsure: dict[LaneId, dict[int, int]] = {}
        """Those before it that their node did not know to be stored when it put the last one."""
        self._gaps: dict[LaneId, _Gap] = {}
        self._counts = count(1)
        self._read = 0
        """How many were read."""
        self._place = 0
        """The place that was read last."""
        self._behind = 0
        """How many stood behind that."""

    def take(self, line: LaneId, letter: Letter, kept: KeptMessage) -> None:
        """Take what was read."""
        self._read += 1
        self._place, self._behind = letter.place, letter.behind
        if self._has_been_here(line, letter, kept):
            self._drop(letter)
            return
        gap = self._gaps.get(line) if self._gaps else None
        if gap is not None and not self._is_ahead(line, kept, gap):
            heapq.heappush(gap.letters, (kept.number, letter.place, letter, kept))
        elif gap is not None:
            self._hand_over(line, letter, kept)
        elif not self._follows(line, kept):
            self._hold(line, [(kept.number, letter.place, letter, kept)], next(self._counts))
        elif self._gaps and self._former(line, kept):
            held = [(kept.number, letter.place, letter, kept)]
            self._gaps[line] = _Gap(held, kept.number, letter.place, next(self._counts), until=0)
        else:
            self._hand_over(line, letter, kept)
        if self._gaps:
            self._close_those_over()

    def close(self) -> None:
        """Hold nothing any more."""
        for gap in self._gaps.values():
            if gap.asking is not None:
                gap.asking.cancel()
        self._gaps.clear()

    def _former(self, line: LaneId, kept: KeptMessage, since: float = math.inf) -> bool:
        """Whether something that the same agent sent in another line is held back.

        Args:
            line: Of the message.
            kept: The message.
            since: Only what is held back for longer counts, so that no two lines wait for each other.
        """
        sender = kept.message.sender
        return sender is not None and any(
            gap.since < since
            and each != line
            and each[1] == line[1]
            and any(other.message.sender == sender for *_, other in gap.letters)
            for each, gap in self._gaps.items()
        )

    def _is_ahead(self, line: LaneId, kept: KeptMessage, gap: _Gap) -> bool:
        """Whether what is held back waits for this message, and this one for none: it makes the room they may need."""
        for each in [each for each in gap.letters if each[0] == kept.number]:
            gap.letters.remove(each)  # it was taken out again before this one was stored
            self._drop(each[2])
        heapq.heapify(gap.letters)
        is_first = not gap.letters or kept.number < gap.letters[0][0]
        return is_first and self._follows(line, kept) and not self._former(line, kept, gap.since)

    def _follows(self, line: LaneId, kept: KeptMessage) -> bool:
        """Whether nothing can be missing before it."""
        return not kept.after or self._last.get(line, _NOTHING)[0] >= kept.after

    def _has_been_here(self, line: LaneId, letter: Letter, kept: KeptMessage) -> bool:
        """Whether it was handed over out of another place: it was put again, as its node did not know it to be stored.

        The broker forgets the ids of what was taken out when it is started again, and stores it a second time.
        """
        number, place = self._last.get(line, _NOTHING)
        if number != kept.number:
            place = self._unsure.get(line, _NONE).get(kept.number, 0)
        return place not in (0, letter.place)

    def _hand_over(self, line: LaneId, letter: Letter, kept: KeptMessage) -> None:
        if not kept.after:  # all before it are stored, and none of them is put again
            if self._unsure:
                self._unsure.pop(line, None)
        elif (before := self._last.get(line)) is not None:
            unsure = self._unsure.setdefault(line, {})
            unsure[before[0]] = before[1]
            if len(unsure) > _UNSURE:
                del unsure[next(iter(unsure))]
            if len(self._unsure) > _UNSURE:
                del self._unsure[next(iter(self._unsure))]
        self._last[line] = kept.number, letter.place
        if len(self._last) > _REMEMBERED:
            forgotten, _ = self._last.popitem(last=False)
            self._unsure.pop(forgotten, None)
        self._deliver(letter, kept)

    def _hold(self, line: LaneId, letters: list[_Held], since: int) -> None:
        number, place = max(each[:2] for each in letters)
        gap = self._gaps[line] = _Gap(letters, number, place, since)
        gap.asking = asyncio.get_running_loop().create_task(self._find_out(line, gap))

    async def _find_out(self, line: LaneId, gap: _Gap) -> None:
        try:
            settled = await self._ask(line, gap.number)
        except NodeDown:
            return  # this node ends, and what is held back stays where it is
        if self._gaps.get(line) is not gap:
            return
        if settled is None:
            gap.is_of_nobody = True
        elif settled.is_all:
            gap.is_of_nobody, gap.ends = True, self._read + self._behind
        else:
            self._settle(gap, settled)
        self._close_those_over()
        if self._gaps.get(line) is gap and gap.ends is None:
            # It may have been stored after what was read last, or be handled and gone since a former reader.
            await asyncio.sleep(_GRACE)  # cancelled when it closes meanwhile
            gap.ends = self._read + self._behind
            self._close_those_over()

    def _settle(self, gap: _Gap, settled: Settled) -> None:
        void = set(settled.void)
        for each in [each for each in gap.letters if each[1] in void]:
            gap.letters.remove(each)
            self._drop(each[2])
        heapq.heapify(gap.letters)
        if any(each[:2] == (gap.number, gap.place) for each in gap.letters):
            gap.until = settled.until
        else:  # it is out again, and perhaps back: what is left is to be asked for once more
            gap.number, gap.until = 0, 0

    def _close_those_over(self) -> None:
        """Go on with each line where nothing is missing any more, the one that was held back first to begin with."""
        for line, gap in sorted(self._gaps.items(), key=lambda each: each[1].since):
            self._close_if_over(line, gap)

    def _close_if_over(self, line: LaneId, gap: _Gap) -> None:
        """Go on if everything that is missing has been read by now."""
        everything = gap.ends is not None and self._read >= gap.ends
        if not everything and self._place < gap.until:
            return
        letters = gap.letters
        while letters:
            number, _, letter, kept = letters[0]
            if self._former(line, kept, gap.since):
                return
            # Something of what comes behind it may have been taken out again, too: its node knows, if it is there.
            asks_on = gap.asking is not None and not gap.is_of_nobody
            if number > gap.number and (asks_on or not self._follows(line, kept)):
                self._end(line, gap)
                self._hold(line, letters, gap.since)
                return
            heapq.heappop(letters)
            self._hand_over(line, letter, kept)
        self._end(line, gap)

    def _end(self, line: LaneId, gap: _Gap) -> None:
        del self._gaps[line]
        if gap.asking is not None and gap.asking is not asyncio.current_task():
            gap.asking.cancel()


@dataclass(slots=True)
class _Gap:
    """Something of a line is missing, or seems to be, or it waits for another line.

    Attributes:
        letters: What is held back, by number.
        number: Everything up to it is asked for.
        place: Where that one was read.
        since: Counts the lines that were held back, in order.
        asking: Asks; None where nothing is missing, and it waits for another line.
        is_of_nobody: Whether the node of the line is gone.
        until: Up to which place it must be read, as far as is known.
        ends: How many were read when everything was read that could be what is missing; None as long as that is open.
    """

    letters: list[_Held]
    number: int
    place: int
    since: int
    asking: asyncio.Task[None] | None = None
    is_of_nobody: bool = False
    until: float = math.inf
    ends: int | None = None
