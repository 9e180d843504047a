"""When a process may act, as far as it can know."""

from __future__ import annotations

from civitas.transport.standing import Standing


class Held:
    """A standing of 10 s, and a clock that is set by hand."""

    def __init__(self, **keywords) -> None:
        self.now = 100.0
        self.lost: list[str] = []
        self.standing = Standing(10.0, self.lost.append, now=lambda: self.now, **keywords)

    def may(self, at: float) -> bool:
        self.now = at
        return self.standing.may()

    def heard(self, at: float) -> None:
        self.now = at
        self.standing.heard(at)


def test_who_can_be_heard_acts():
    held = Held()
    for second in range(100, 150, 5):
        assert held.may(second)
        held.heard(second)
    assert held.may(152.9)


def test_who_could_not_be_heard_for_most_of_the_node_timeout_is_held_up():
    held = Held()
    assert held.may(107.9)
    assert not held.may(108.1)
    assert held.standing.is_in_doubt


def test_to_be_heard_again_ends_no_doubt_but_the_word_of_the_root_does():
    held = Held()
    held.heard(130)  # it was stopped meanwhile
    assert held.standing.is_in_doubt
    assert not held.may(130)
    held.standing.answered(belongs=True, asked_at=130)
    assert held.may(137.9)
    assert not held.may(138.1)


def test_a_word_that_was_long_on_its_way_counts_from_when_it_was_asked_for():
    held = Held()
    assert not held.may(110)
    held.now = 120
    held.standing.answered(belongs=True, asked_at=110)
    assert not held.may(120)


def test_who_was_given_up_loses_at_once():
    held = Held()
    assert not held.may(130)
    held.standing.answered(belongs=False, asked_at=130)
    assert held.lost == ["the root has gone on without it"]


def test_who_cannot_ask_for_the_node_timeout_loses():
    held = Held()
    assert not held.may(108)
    assert not held.may(117)
    assert held.lost == []
    held.may(118)
    assert held.lost == ["the root could not be reached for 18 s"]


def test_a_root_that_can_be_reached_is_waited_for_however_long_it_takes_to_answer():
    held = Held()
    assert not held.may(108)
    for second in range(109, 200, 9):
        held.now = second
        held.standing.can_be_asked()
        assert not held.may(second)
    assert held.lost == []


def test_one_that_keeps_on_does_so_while_nobody_answers_and_waits_when_the_root_can_be_asked():
    held = Held(keeps=True)
    assert not held.may(108)
    held.standing.nobody_answers()
    assert held.may(108)
    assert held.may(200)
    held.standing.can_be_asked()
    assert not held.may(200)
    held.standing.answered(belongs=True, asked_at=200)
    assert held.may(200)
    assert held.lost == []


def test_one_that_keeps_on_is_not_held_up_for_ever_where_its_question_hangs():
    held = Held(keeps=True)
    assert not held.may(108)
    assert held.may(113)


def test_that_nobody_answers_helps_nobody_who_does_not_keep_on():
    held = Held()
    assert not held.may(108)
    held.standing.nobody_answers()
    assert not held.may(108)
