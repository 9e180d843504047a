"""What `make test-fire` counts, and the table that it writes."""

from __future__ import annotations

import pytest

from tests.fire.harness import SCENARIOS
from tests.fire.ledger import Ledger
from tests.fire.table import rows


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def test_the_table_has_a_row_for_each_scenario_and_none_that_failed():
    assert list(rows()) == list(SCENARIOS)
    assert [name for name, row in rows().items() if "FAILED" in row] == []


def test_what_was_accepted_and_never_handled_is_lost(ledger):
    ledger.accepted("a")
    ledger.accepted("b")
    ledger.handled("b", "sink", "1", "root", 1)
    assert not ledger.is_settled()
    assert ledger.count().lost == ["a"]


def test_what_the_last_breath_of_an_incarnation_repeats_is_in_flight_and_else_it_is_doubled(ledger):
    for token, incarnation in (("a", "1"), ("b", "1"), ("b", "2"), ("a", "2")):
        ledger.handled(token, "sink", incarnation, "", 0)
    count = ledger.count()
    assert count.in_flight == 1
    assert count.doubled == ["a at sink"]


def test_where_the_server_dies_all_that_an_incarnation_did_last_may_be_in_flight(ledger):
    ledger.server_dies = True
    for token, incarnation in (("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")):
        ledger.handled(token, "sink", incarnation, "", 0)
    for token in ("a", "c", "d"):
        ledger.handled(token, "sink", "2", "", 0)
    count = ledger.count()
    assert count.in_flight == 2
    assert count.doubled == ["a at sink"]


def test_a_step_that_was_done_twice_is_doubled(ledger):
    ledger.done("a/car")
    ledger.done("a/car")
    assert ledger.count().doubled == ["step a/car"]


def test_a_message_behind_a_later_one_of_its_sender_is_out_of_order(ledger):
    ledger.handled("b", "sink", "1", "root", 1)
    ledger.handled("c", "sink", "1", "other", 0)
    ledger.handled("a", "sink", "1", "root", 0)
    assert len(ledger.count().disorder) == 1
