"""What makes a link of a carrier that may lose, repeat or reorder: frames arrive once and in their order.

The sender numbers its batches and keeps each until it is acknowledged; the receiver takes exactly the next number of a
link, and passes over every other (go-back-N). Whoever carries them only has to say when to send again. A frame that is
larger than a batch may be travels in pieces.

Nothing here waits, and nothing knows what carries it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from civitas.message.large import LARGE, Buffer, Large
from civitas.transport.batches import ANY_RUN, BATCH, Ack, Batch, Mark, sender_of
from civitas.transport.contract import MAX_FRAME

__all__ = ["ReceiveWindow", "SendWindow"]

_ASK_BATCHES = 32
_ASK_BYTES = 1024 * 1024
"""After so many batches or bytes an acknowledgement is asked for; what has none yet is kept to be sent again."""
_LINKS = 4096
"""When there are so many links, those that are nobody's any more are forgotten."""


class SendWindow:
    """The sending side of one link.

    Args:
        link: The id of the link.
        run: The run of the node there, or `ANY_RUN` for whichever answers first.
        most: Bytes of frames in one batch; a frame that is larger travels in pieces. By default it travels whole.
    """

    def __init__(self, link: bytes, run: bytes, *, most: int = MAX_FRAME) -> None:
        self.run = run
        self._link = link
        self._most = most
        self._together = min(BATCH, most)
        self._urgent: deque[bytes | Large] = deque()
        self._others: deque[bytes | Large] = deque()
        self._begun: dict[
            int, int
        ] = {}  # how much of the first frame of a lane has left, in pieces
        self._next_number = 0
        self._unsent: deque[Batch] = deque()
        self._unanswered: deque[Batch] = deque()
        self._arrived = 0  # how many batches the other side has for sure
        self._asked_at = 0  # the number of the batch that asked for the last acknowledgement
        self._bytes_since = 0
        self._flushing: list[asyncio.Future[None]] = []  # to be set when all that waits has arrived
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()  # when this number has

    def put(self, frame: bytes | Large, *, urgent: bool) -> None:
        """A frame is to be sent; an urgent one overtakes the others that are in no batch yet."""
        (self._urgent if urgent else self._others).append(frame)

    def flush(self) -> asyncio.Future[None]:
        """What is done when everything that was put so far has arrived, or this is closed."""
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing.append(arrived)
        return arrived

    @property
    def waits(self) -> bool:
        """Whether there is a batch to send."""
        return bool(self._unsent or self._urgent or self._others or self._flushing)

    @property
    def is_unsure(self) -> bool:
        """Whether something was sent that may have to be sent again."""
        return bool(self._unanswered)

    @property
    def unanswered(self) -> int:
        """How many batches have left and are not acknowledged."""
        return len(self._unanswered)

    def next(self) -> Batch | None:
        """The batch to send next; the same one until it is `sent`. None if there is none."""
        if self._unsent:
            return self._unsent[0]
        if not (self._urgent or self._others):
            if not self._flushing:
                return None
            self._ask_for_flushes()
            return self._unsent[0]
        # What waits, the urgent frames first; or a piece of a large one.
        frames: list[bytes] = []
        size = 0
        for lane in (self._urgent, self._others):
            while lane:
                more = len(lane[0])
                if frames and size + more > self._together:
                    break
                if more > self._most:
                    self._append_piece(lane)
                    return self._unsent[0]
                frames.append(lane.popleft())  # type: ignore[arg-type]  # a `Large` is larger than that
                size += more
            if lane:
                break
        self._append(frames, size)
        return self._unsent[0]

    def sent(self, *, for_sure: bool = False) -> bool:
        """The next batch has left; `for_sure` if it cannot be lost on its way.

        Returns:
            Whether there is another one to send.
        """
        batch = self._unsent.popleft()
        if not for_sure:
            self._unanswered.append(batch)
        elif self._waiting and self._waiting[0][0] <= batch.number:
            self._flushed_up_to(batch.number + 1)
        return bool(self._unsent or self._urgent or self._others or self._flushing)

    def again(self) -> None:
        """What left may be lost: send again whatever is not acknowledged, and ask whether it arrived."""
        if self._unanswered:
            last = self._unanswered.pop()
            self._unsent.appendleft(replace(last, marks=last.marks | Mark.ANSWER))
            self._unsent.extendleft(reversed(self._unanswered))
            self._unanswered.clear()
        elif not self._unsent:
            self._append([], 0, Mark.ANSWER)

    def take(self, ack: Ack) -> str:
        """Take an acknowledgement.

        Returns:
            Why nothing will arrive there any more; empty if all is well.
        """
        if self.run == ANY_RUN:
            self.run = ack.run
        elif self.run != ack.run:
            return "another node has started in its place"
        if self._arrived and not ack.expected:
            return "the node there has given this one up, and forgotten the link"
        self._arrived = max(self._arrived, ack.expected)
        for queue in (self._unanswered, self._unsent):
            while queue and queue[0].number < ack.expected:
                queue.popleft()
        self._flushed_up_to(ack.expected)
        return ""

    def close(self) -> None:
        """Drop what waits; nobody waits for its arrival any more."""
        for queue in (self._urgent, self._others, self._unsent, self._unanswered):
            queue.clear()
        self._flushing.extend(arrived for _, arrived in self._waiting)
        for arrived in self._flushing:
            if not arrived.done():
                arrived.set_result(None)
        self._flushing.clear()
        self._waiting.clear()

    def _append_piece(self, lane: deque[bytes | Large]) -> None:
        """Make a batch of the next piece of the first frame of a lane, which stands there until its last piece."""
        urgent = Mark.URGENT if lane is self._urgent else 0
        frame, start = lane[0], self._begun.get(urgent, 0)
        end = self._begun[urgent] = start + self._most
        more = Mark.MORE
        if end >= len(frame):
            lane.popleft()
            more, self._begun[urgent] = 0, 0
        piece = frame[start:end]
        self._append([piece], len(piece), Mark.PIECE | urgent | more)

    def _append(self, frames: list[bytes], size: int, marks: int = 0) -> int:
        """Make a batch of so many bytes; it asks for an acknowledgement where one is due."""
        number = self._next_number
        self._next_number = number + 1
        self._bytes_since += size
        if (
            marks & Mark.ANSWER
            or self._bytes_since >= _ASK_BYTES
            or number - self._asked_at >= _ASK_BATCHES
            or self.run == ANY_RUN
        ):
            marks |= Mark.ANSWER
            self._asked_at = number
            self._bytes_since = 0
        self._unsent.append(Batch(self.run, self._link, number, frames, marks))
        return number

    def _ask_for_flushes(self) -> None:
        number = self._append([], 0, Mark.ANSWER)
        self._waiting.extend((number, arrived) for arrived in self._flushing)
        self._flushing.clear()

    def _flushed_up_to(self, expected: int) -> None:
        while self._waiting and self._waiting[0][0] < expected:
            _, arrived = self._waiting.popleft()
            if not arrived.done():
                arrived.set_result(None)


class ReceiveWindow:
    """The receiving side of all links to a node.

    Args:
        run: Of this node.
        known: Says which senders this node knows: their links are never forgotten, however long they are silent.
    """

    def __init__(self, run: bytes, known: Callable[[], Collection[bytes]]) -> None:
        self._run = run
        self._known = known
        self._expected: dict[bytes, int] = {}
        self._pieces: dict[tuple[bytes, int], bytearray] = {}
        """Of frames that are not whole yet, by link and lane."""
        self._room = _LINKS

    def take(self, batch: Batch) -> Sequence[Buffer]:
        """Take a batch.

        Returns:
            The frames that are whole with it; of a large one that came in pieces, a view. None if it arrived before,
            comes behind a gap, or was meant for an earlier run of this node.

        Raises:
            ValueError: It holds a piece of a frame that is larger than any.
        """
        expected = self._expected.get(batch.link, 0)
        if batch.number != expected or batch.run not in (self._run, ANY_RUN):
            return ()
        self._expected[batch.link] = expected + 1
        if len(self._expected) > self._room:
            self._forget()
        return self._whole(batch) if batch.marks & Mark.PIECE else batch.frames

    def ack(self, link: bytes) -> Ack:
        """What to answer the sender of a link."""
        return Ack(self._run, self._expected.get(link, 0))

    def _whole(self, batch: Batch) -> Sequence[Buffer]:
        lane = batch.link, batch.marks & Mark.URGENT
        whole = self._pieces.pop(lane, None) or bytearray()
        # Each piece finds its place as it comes: at the end there is nothing left to copy.
        for piece in batch.frames:
            whole += piece
        if len(whole) > MAX_FRAME:
            raise ValueError(f"its frame has more than {MAX_FRAME:,} bytes")
        if not batch.marks & Mark.MORE:
            return [bytes(whole) if len(whole) <= LARGE else memoryview(whole).toreadonly()]
        self._pieces[lane] = whole
        return ()

    def _forget(self) -> None:
        """Forget the links of senders that this node does not know, or not any more; but not the newest ones."""
        known = self._known()
        strangers = [link for link in self._expected if sender_of(link) not in known]
        for link in strangers[: len(strangers) // 2]:
            del self._expected[link]
            for lane in (0, Mark.URGENT):
                self._pieces.pop((link, lane), None)
        self._room = max(_LINKS, 2 * len(self._expected))
