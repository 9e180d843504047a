"""Puts what was read from a mailbox into the order in which each node sent it."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from civitas.cluster.durable.lanes import Settled
from civitas.cluster.durable.parcels import KeptMessage
from civitas.transport.mailboxes import Letter

__all__ = ["InOrder", "LaneId"]

LaneId: TypeAlias = tuple[str, str]
"""The run of the sending node, and the conversation where each is a line of its own."""

_GRACE = 2.0
"""Seconds for what is known to be stored to be read."""
_REMEMBERED = 10_000
"""Of so many lines the last number is known; of others the sender is asked, should something seem to be missing."""


class InOrder:
    """Holds back what was stored before something that was sent earlier.

    That is seldom: a mailbox had no room for one message and then for the next, or a server was lost with one of them.
    A message whose predecessor was surely stored, or has been here, goes through at once.

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
        self._last: OrderedDict[LaneId, int] = OrderedDict()
        """The number that was handed over last, of each line."""
        self._gaps: dict[LaneId, _Gap] = {}
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
        gap = self._gaps.get(line) if self._gaps else None
        if gap is not None:
            heapq.heappush(gap.letters, (kept.number, letter.place, letter, kept))
        elif self._follows(line, kept):
            self._hand_over(line, letter, kept)
        else:
            self._hold(line, [(kept.number, letter.place, letter, kept)])
        for each, gap in list(self._gaps.items()):
            self._close_if_over(each, gap)

    def close(self) -> None:
        """Hold nothing any more."""
        for gap in self._gaps.values():
            gap.asking.cancel()
        self._gaps.clear()

    def _follows(self, line: LaneId, kept: KeptMessage) -> bool:
        """Whether nothing can be missing before it."""
        return not kept.after or self._last.get(line, 0) >= kept.after

    def _hand_over(self, line: LaneId, letter: Letter, kept: KeptMessage) -> None:
        self._last[line] = kept.number
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        self._deliver(letter, kept)

    def _hold(self, line: LaneId, letters: list[tuple[int, int, Letter, KeptMessage]]) -> None:
        asking = asyncio.get_running_loop().create_task(self._find_out(line, letters[0][0]))
        self._gaps[line] = _Gap(letters, letters[0][0], asking)

    async def _find_out(self, line: LaneId, number: int) -> None:
        settled = await self._ask(line, number)
        gap = self._gaps.get(line)
        if gap is None:
            return
        if settled is not None:
            gap.until = settled.until
            void = set(settled.void)
            for each in [each for each in gap.letters if each[1] in void]:
                gap.letters.remove(each)
                self._drop(each[2])
            heapq.heapify(gap.letters)
        self._close_if_over(line, gap)
        if self._gaps.get(line) is gap:
            # It may have been stored after what was read last, or be handled and gone since a former reader.
            await asyncio.sleep(_GRACE)  # cancelled when it closes meanwhile
            gap.ends = self._read + self._behind
            self._close_if_over(line, gap)

    def _close_if_over(self, line: LaneId, gap: _Gap) -> None:
        """Go on if everything that is missing has been read by now."""
        everything = gap.ends is not None and self._read >= gap.ends
        if not everything and self._place < gap.until:
            return
        del self._gaps[line]
        if gap.asking is not asyncio.current_task():
            gap.asking.cancel()
        letters = gap.letters
        while letters:
            number, _, letter, kept = letters[0]
            if number > gap.number and not self._follows(line, kept):
                self._hold(line, letters)
                return
            heapq.heappop(letters)
            self._hand_over(line, letter, kept)


@dataclass(slots=True)
class _Gap:
    """Something of a line is missing, or seems to be.

    Attributes:
        letters: What is held back, by number.
        number: Everything up to it is asked for.
        asking: Asks.
        until: Up to which place it must be read, as far as is known.
        ends: How many were read when everything was read that could be what is missing; None as long as that is open.
    """

    letters: list[tuple[int, int, Letter, KeptMessage]]
    number: int
    asking: asyncio.Task[None]
    until: float = math.inf
    ends: int | None = None
