"""Frames arrive once and in order, whatever their carrier loses, repeats or reorders."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from civitas.transport import MAX_FRAME, window
from civitas.transport.batches import ANY_RUN, BATCH, Ack, Batch, Mark, link_ids, new_id
from civitas.transport.window import ReceiveWindow, SendWindow
from tests.deep import DEEP

THERE = new_id()
LINK = next(link_ids(new_id()))


def outgoing(most: int = MAX_FRAME, run: bytes = THERE) -> SendWindow:
    return SendWindow(LINK, run, most=most)


def incoming() -> ReceiveWindow:
    return ReceiveWindow(THERE, set)


def batches_of(out: SendWindow) -> list[Batch]:
    """Everything there is to send, as it travels."""
    found = []
    while (batch := out.next()) is not None:
        found.append(Batch.unpack(batch.pack()))
        out.sent()
    return found


def put(out: SendWindow, *frames: bytes, urgent: bool = False) -> None:
    for frame in frames:
        out.put(frame, urgent=urgent)


# The sender.


def test_what_is_put_at_once_travels_together():
    out = outgoing()
    put(out, *[b"frame"] * 100)
    (batch,) = batches_of(out)
    assert batch.frames == [b"frame"] * 100


def test_a_batch_holds_no_more_than_it_may_and_a_larger_frame_is_one_of_its_own():
    out = outgoing()
    put(out, bytes(BATCH - 1), b"ab", bytes(2 * BATCH), b"c")
    sizes = [[len(frame) for frame in batch.frames] for batch in batches_of(out)]
    assert sizes == [[BATCH - 1], [2], [2 * BATCH], [1]]


@pytest.mark.promise(id="SEM-1325")
def test_a_frame_that_is_too_large_for_its_carrier_travels_in_pieces():
    out, into = outgoing(most=100), incoming()
    frame = os.urandom(950)
    put(out, b"first", frame, b"last")
    batches = batches_of(out)
    assert max(len(each) for batch in batches for each in batch.frames) == 100
    arrived = [each for batch in batches for each in into.take(batch)]
    assert arrived == [b"first", frame, b"last"]


@pytest.mark.promise(id="SEM-1325")
def test_an_urgent_frame_comes_between_the_pieces_of_another():
    out, into = outgoing(most=100), incoming()
    put(out, bytes(250))
    first = out.next()
    assert first is not None
    out.sent()
    put(out, bytes(150) + b"!", b"urgent", urgent=True)
    arrived = [each for batch in (first, *batches_of(out)) for each in into.take(batch)]
    assert arrived == [bytes(150) + b"!", b"urgent", bytes(250)]


def test_a_frame_of_exactly_the_size_that_travels_is_whole():
    out = outgoing(most=100)
    put(out, bytes(100), bytes(200))
    marks = [batch.marks & (Mark.PIECE | Mark.MORE) for batch in batches_of(out)]
    assert marks == [0, Mark.PIECE | Mark.MORE, Mark.PIECE]


def test_what_is_not_acknowledged_is_sent_again_and_asks():
    out = outgoing()
    put(out, b"a")
    (first,) = batches_of(out)
    put(out, b"b")
    (second,) = batches_of(out)
    out.take(Ack(THERE, 1))
    out.again()
    (again,) = batches_of(out)
    assert (first.number, again.number, again.frames) == (0, second.number, [b"b"])
    assert again.answer


def test_a_link_with_nothing_under_way_asks_who_is_there():
    out = outgoing()
    out.again()
    out.again()
    (batch,) = batches_of(out)
    assert batch.answer
    assert batch.frames == []


def test_what_was_acknowledged_is_not_sent_again_though_it_was_about_to_be():
    out = outgoing()
    put(out, b"a")
    batches_of(out)
    out.again()
    out.take(Ack(THERE, 1))
    assert not out.waits
    assert not out.is_unsure


def test_another_node_in_its_place_is_told():
    out = outgoing(run=ANY_RUN)
    assert out.take(Ack(THERE, 1)) == ""
    assert out.run == THERE
    assert "another node" in out.take(Ack(new_id(), 1))


def test_a_node_that_forgot_the_link_is_told():
    out = outgoing()
    put(out, b"a")
    batches_of(out)
    out.take(Ack(THERE, 1))
    assert "forgotten" in out.take(Ack(THERE, 0))


async def test_a_flush_is_done_when_what_was_put_before_has_arrived():
    out = outgoing()
    put(out, b"a")
    arrived = out.flush()
    put(out, b"b")
    count = len(batches_of(out))
    out.take(Ack(THERE, count - 1))
    assert not arrived.done()
    out.take(Ack(THERE, count))
    assert arrived.done()


async def test_nobody_waits_for_the_flush_of_a_link_that_is_closed():
    out = outgoing()
    put(out, b"a")
    asked, unasked = out.flush(), None
    batches_of(out)
    unasked = out.flush()
    out.close()
    assert asked.done()
    assert unasked.done()
    assert not out.waits


# The receiver.


def test_a_batch_that_comes_twice_and_one_behind_a_gap_are_passed_over():
    out, into = outgoing(), incoming()
    batches = []
    for frame in (b"a", b"b", b"c"):
        put(out, frame)
        batches += batches_of(out)
    order = [0, 0, 2, 1, 1, 2]
    assert [list(into.take(batches[n])) for n in order] == [[b"a"], [], [], [b"b"], [], [b"c"]]
    assert into.ack(LINK) == Ack(THERE, 3)


def test_what_was_meant_for_an_earlier_run_is_passed_over():
    out = outgoing(run=new_id())
    put(out, b"a")
    (batch,) = batches_of(out)
    assert list(incoming().take(batch)) == []


def test_pieces_that_never_end_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window, "MAX_FRAME", 1000)
    into = incoming()
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        for number in range(20):
            into.take(Batch(THERE, LINK, number, [bytes(100)], Mark.PIECE | Mark.MORE))


# Both, over a carrier that does what it likes.


class Carried(RuleBasedStateMachine):
    """One link over a carrier that loses, repeats and reorders batches and acknowledgements."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.into = outgoing(most=10), incoming()
        self.put: dict[bool, list[bytes]] = {True: [], False: []}
        self.arrived: list[bytes] = []
        self.there: list[Batch] = []
        self.back: list[Ack] = []

    @rule(size=st.sampled_from([0, 1, 9, 10, 11, 35]), urgent=st.booleans())
    def send(self, size: int, urgent: bool) -> None:
        count = len(self.put[urgent])
        frame = (b"%s%d " % (b"u" if urgent else b"o", count)).ljust(size, b".")
        self.put[urgent].append(frame)
        self.out.put(frame, urgent=urgent)

    @rule(count=st.integers(1, 5))
    def leave(self, count: int) -> None:
        for _ in range(count):
            if (batch := self.out.next()) is not None:
                self.there += [Batch.unpack(batch.pack())]
                self.out.sent()

    @rule(data=st.data(), twice=st.booleans())
    def arrive(self, data: st.DataObject, twice: bool) -> None:
        if self.there:
            at = data.draw(st.integers(0, len(self.there) - 1))
            self.take(self.there[at] if twice else self.there.pop(at))

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        for queue in (self.there, self.back):
            if queue:
                queue.pop(data.draw(st.integers(0, len(queue) - 1)))

    @rule(data=st.data(), twice=st.booleans())
    def answer(self, data: st.DataObject, twice: bool) -> None:
        if self.back:
            at = data.draw(st.integers(0, len(self.back) - 1))
            # An acknowledgement from before the first batch says the same as one of a node that forgot the link.
            ack = self.back[at] if twice else self.back.pop(at)
            if ack.expected:
                assert self.out.take(ack) == ""

    @rule()
    def again(self) -> None:
        self.out.again()

    def take(self, batch: Batch) -> None:
        self.arrived += map(bytes, self.into.take(batch))
        if batch.answer:
            self.back.append(self.into.ack(LINK))

    @invariant()
    def what_arrived_is_what_was_sent_once_and_in_order(self) -> None:
        for urgent, mark in ((True, b"u"), (False, b"o")):
            lane = [each for each in self.arrived if each.startswith(mark)]
            assert lane == self.put[urgent][: len(lane)]

    def teardown(self) -> None:
        """The carrier is well again: everything arrives."""
        todo: deque[Batch] = deque()
        for _ in range(3):
            self.out.again()
            todo.extend(batches_of(self.out))
            while todo:
                self.take(todo.popleft())
            for ack in self.back:
                if ack.expected:
                    self.out.take(ack)
        self.what_arrived_is_what_was_sent_once_and_in_order()
        assert len(self.arrived) == sum(map(len, self.put.values()))
        assert not self.out.is_unsure


@pytest.mark.promise(id="SEM-1325")
def test_whatever_a_carrier_does_frames_arrive_once_and_in_order():
    run_state_machine_as_test(
        Carried,
        settings=settings(
            max_examples=1000 if DEEP else 200,
            stateful_step_count=60 if DEEP else 30,
            derandomize=not DEEP,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
