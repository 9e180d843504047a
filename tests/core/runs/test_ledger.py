"""Runs in a state store, whatever that store can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from civitas.errors import HandlerFailed, NoReply, RunCancelled, StateConflict
from civitas.message import Message, encode, new_message
from civitas.runs.info import RunStatus
from civitas.runs.ledger import Ledger
from civitas.runs.records import AcceptedRun, EndedRun
from civitas.state import InMemoryStateStore, SQLiteStateStore
from tests.core.state.few_methods import FewMethods, Killed, WithBatches, WithRevisions


@pytest.fixture(params=["memory", "sqlite", "three methods", "revisions", "batches"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    kinds: dict[str, Any] = {
        "memory": InMemoryStateStore,
        "sqlite": lambda: SQLiteStateStore(tmp_path / "state.db"),
        "three methods": lambda: FewMethods(InMemoryStateStore()),
        "revisions": lambda: WithRevisions(InMemoryStateStore()),
        "batches": lambda: WithBatches(InMemoryStateStore()),
    }
    made = kinds[request.param]()
    yield made
    if isinstance(made, SQLiteStateStore):
        await made.close()


def message(payload: Any = 1, name: str | None = None, **fields: Any) -> Message:
    return Message(payload=payload, recipient="a", run=name, **fields)


async def accepted(ledger: Ledger, sent: Message, order: int = 1) -> AcceptedRun:
    run = AcceptedRun.begun_by(sent, order, "")
    await ledger.accept(run, sent)
    return run


def reply_to(sent: Message, payload: Any) -> Message:
    return new_message("reply", "a", "", encode(payload), correlation_id=sent.id)


async def test_what_is_not_finished_is_found_again_in_order(store: Any) -> None:
    ledger = Ledger(store)
    for order in (3, 1, 2):
        await accepted(ledger, message(order), order)
    again = Ledger(store)
    found = await again.unfinished()
    assert [run.order for run in found] == [1, 2, 3]
    assert [(await again.message(run)).payload for run in found] == [1, 2, 3]


async def test_an_answer_takes_the_place_of_the_message(store: Any) -> None:
    ledger, sent = Ledger(store), message("question", "order-17")
    run = await accepted(ledger, sent)
    await ledger.end(run, EndedRun.of(run, reply_to(sent, "answer"), 5.0, 1))
    again = Ledger(store)
    assert await again.unfinished() == []
    found = await again.find("order-17")
    assert isinstance(found, EndedRun)
    assert (found.info.status, found.info.deliveries) == (RunStatus.DONE, 1)
    answer = (await again.answered(found)).answer
    assert isinstance(answer, Message)
    assert answer.payload == "answer"


async def test_a_run_without_a_name_is_found_by_the_id_of_its_message(store: Any) -> None:
    ledger, sent = Ledger(store), message()
    run = await accepted(ledger, sent)
    found = await ledger.find(sent.id)
    assert isinstance(found, AcceptedRun)
    await ledger.end(run, EndedRun.of(run, reply_to(sent, 2), 5.0, 1))
    assert isinstance(await ledger.find(sent.id), EndedRun)
    assert await ledger.find("another") is None


@pytest.mark.parametrize("size", [17_000, 60_000])
async def test_large_messages_and_answers_are_kept_in_pieces_and_leave_none(
    store: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("civitas.runs.records._PIECE", 20_000)
    ledger, sent = Ledger(store), message(b"x" * size)
    run = await accepted(ledger, sent)
    (found,) = await Ledger(store).unfinished()
    assert len((await ledger.message(found)).payload) == size
    ended = EndedRun.of(run, reply_to(sent, b"y" * size), 5.0, 1)
    await ledger.end(found, ended)
    (over,) = await ledger.ended(10)
    answer = (await ledger.answered(over)).answer
    assert isinstance(answer, Message)
    assert answer.payload == b"y" * size
    assert await ledger.drop(before=6.0) == 1
    kept = store if hasattr(store, "keys") else store.kept
    assert list(await kept.keys("civitas:runs:")) == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (HandlerFailed("a", "ValueError", "no"), RunStatus.FAILED),
        (NoReply("a", "message"), RunStatus.DONE),
        (RunCancelled("r", "a"), RunStatus.CANCELLED),
        (RunCancelled("r", "a", expired=True), RunStatus.EXPIRED),
    ],
    ids=str,
)
async def test_why_there_is_no_answer_is_kept_as_the_error_that_it_is(
    answer: Any, status: RunStatus
) -> None:
    ledger = Ledger(InMemoryStateStore())
    run = await accepted(ledger, message(name="r"))
    await ledger.end(run, EndedRun.of(run, answer, 5.0, 1))
    found = await Ledger(ledger._store).find("r")
    assert isinstance(found, EndedRun)
    assert found.info.status is status
    assert type(found.answer) is type(answer)
    assert str(found.answer) == str(answer)


async def test_a_name_is_taken_once_where_the_store_compares_and_sets() -> None:
    ledger = Ledger(InMemoryStateStore())
    await accepted(ledger, message(1, "r"), 1)
    with pytest.raises(StateConflict):
        await accepted(Ledger(ledger._store), message(1, "r"), 2)
    assert len(await ledger.unfinished()) == 1


async def test_only_what_is_old_is_dropped(store: Any) -> None:
    ledger = Ledger(store)
    for number in (1, 2):
        sent = message(number, f"r{number}")
        run = await accepted(ledger, sent, number)
        await ledger.end(run, EndedRun.of(run, reply_to(sent, number), float(number), 1))
    assert await ledger.drop(before=2.0) == 1
    assert await ledger.find("r1") is None
    assert isinstance(await ledger.find("r2"), EndedRun)


async def test_a_store_of_three_methods_that_is_killed_between_two_writes_loses_nothing() -> None:
    kept = InMemoryStateStore()
    for writes in range(12):
        store = FewMethods(kept)
        ledger, sent = Ledger(store), message(writes, f"r{writes}")
        store.writes_left = writes
        was_accepted = was_ended = False
        try:
            run = await accepted(ledger, sent, writes + 1)
            was_accepted = True
            await ledger.end(run, EndedRun.of(run, reply_to(sent, writes), 5.0, 1))
            was_ended = True
        except Killed:
            pass
        again = Ledger(FewMethods(kept))
        open_ = [each.run for each in await again.unfinished()]
        ended = [each.info.run for each in await again.ended(100)]
        if was_accepted:
            assert (open_ + ended).count(sent.run) == 1
        if was_ended:
            assert sent.run in ended
