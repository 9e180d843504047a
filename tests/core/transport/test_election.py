"""The rules by which one of several roots leads, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from civitas.launch import pid_space
from civitas.transport.election import Leader, Terms, Vigil

TERMS = Terms.of(10.0)
THERE = Leader("one", 1, "there", 1, "elsewhere", 0.0, watched=True)


def looks(
    vigil: Vigil, leader: Leader, *, until: float, revision: int = 1, begin: float = 0.0
) -> float | None:
    """When a root that looks all the time may take over; None if it may not in this time."""
    now = begin
    while now < until:
        if vigil.may_take(now, revision, leader):
            return now - begin
        now += TERMS.look
    return None


@pytest.mark.parametrize(("watched", "after"), [(True, TERMS.silence), (False, TERMS.alone)])
def test_a_root_takes_over_when_it_has_seen_no_renewal_for_long_enough(watched: bool, after: float):
    taken = looks(Vigil(TERMS, "here"), replace(THERE, watched=watched), until=20.0)
    assert taken == pytest.approx(after, abs=2 * TERMS.look)


def test_a_root_takes_over_in_less_than_5_seconds_and_later_than_its_leader_stops():
    for timeout in (1.0, 2.0, 10.0, 60.0):
        terms = Terms.of(timeout)
        assert terms.lasts(watched=True) < terms.silence < 5
        assert terms.lasts(watched=False) < terms.alone
        assert terms.renew < terms.lasts(watched=True) / 3


def test_a_renewal_begins_the_wait_again():
    vigil = Vigil(TERMS, "here")
    assert looks(vigil, THERE, until=3.0) is None
    assert looks(vigil, THERE, until=6.0, revision=2, begin=3.0) is None


def test_time_in_which_the_record_could_not_be_read_does_not_count():
    vigil = Vigil(TERMS, "here")
    assert looks(vigil, THERE, until=3.0) is None
    assert looks(vigil, THERE, until=16.0, begin=13.0) is None


@pytest.mark.parametrize("leader", [None, replace(THERE, released=True)])
def test_nobody_is_waited_for_who_does_not_lead_any_more(leader: Leader | None):
    assert Vigil(TERMS, "here").may_take(0.0, 1, leader)


def test_a_leader_whose_process_has_ended_on_this_machine_is_not_waited_for():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = replace(THERE, pid=ended.pid, pid_space=pid_space())
    assert dead.is_dead(pid_space()) is (pid_space() != "")
    assert not replace(dead, pid=os.getppid()).is_dead(pid_space())
    assert not dead.is_dead("another machine")


def test_a_record_is_read_as_it_was_written_and_rubbish_is_nobody():
    assert Leader.of(THERE.raw()) == THERE
    assert [Leader.of(raw) for raw in (b"", b"{}", b"[]", THERE.raw().replace(b"true", b"3"))] == [
        None
    ] * 4


def test_each_term_is_higher_than_all_before_also_when_the_record_was_lost():
    first = Leader.here("one", "").after(None)
    assert Leader.here("two", "").after(first).term > first.term
    assert (
        Leader.here("two", "").after(replace(first, term=first.term + 10**9)).term
        > first.term + 10**9
    )
