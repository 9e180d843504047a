"""Agents of other nodes as those of this one know them: what is learnt of them, and the places of a pool."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.holding import HeldEntry
from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process import Entry, Mailbox, Status
from tests.core.cluster.test_outbox import Keeper, Nowhere, waiting

FAR = Facts("far", "w", "boot-w", size=3)
POOL = Facts("pool", "w", "boot-w", kind="conversation_pool", size=1, max_live=1)


class Kept(Nowhere):
    """A way to agents whose messages a broker keeps."""

    def __init__(self) -> None:
        self.entries = defaultdict[str, Entry](lambda: Mailbox("kept", 1))

    def kept_entry(self, each: Elsewhere) -> Entry:  # type: ignore[override]
        return self.entries[each.key]


def elsewhere(way: Any = None, **facts: Any) -> Elsewhere:
    known = replace(FAR, **facts)
    each = Elsewhere(known, way or Nowhere())
    each.learn(known)
    return each


def pool(way: Any = None, **facts: Any) -> ElsewherePool:
    return ElsewherePool(replace(POOL, **facts), way or Nowhere())


def test_an_agent_elsewhere_runs_while_there_is_a_way_to_it() -> None:
    far = elsewhere()
    assert (far.status, far.alive) == (Status.RESTARTING, False)
    far.outbox.open_way()
    assert (far.status, far.alive) == (Status.RUNNING, True)
    far.learn(replace(FAR, closed="it was stopped"))
    assert far.status is Status.STOPPED


def test_what_an_agent_elsewhere_does_is_known_where_it_runs() -> None:
    far = elsewhere()
    assert (far.asking, far.shutdown_timeout, far.busy) == ({}, 0.0, False)


async def test_its_load_is_what_it_is_not_finished_with_and_what_waits_for_room() -> None:
    far = elsewhere(size=1)
    assert [far.outbox.offer(Message(payload=n)) for n in range(3)] == [True, True, False]
    sending = await waiting(far.outbox)
    assert far.load == 3
    sending.cancel()
    await asyncio.wait({sending})
    assert far.load == 2


def test_its_mailbox_here_has_the_size_of_that_there() -> None:
    far = elsewhere(size=1)
    far.learn(FAR)
    assert far.outbox.size == 3
    assert far.entry is far.outbox


def test_what_a_broker_keeps_or_another_node_holds_does_not_go_into_the_outbox_alone() -> None:
    kept = Kept()
    assert elsewhere(kept).entry is kept.entries[""]
    way: Any = Nowhere()
    way.holder_for = lambda facts: Keeper()
    assert isinstance(elsewhere(way).entry, HeldEntry)


def test_what_a_broker_keeps_for_a_conversation_is_kept_apart_from_that_of_the_others() -> None:
    kept = Kept()
    there = pool(kept)
    assert there.cell("one", "id").entry is kept.entries["one"]
    assert there.cell("two", "id").entry is kept.entries["two"]
    assert there.cell(None, "id").entry is kept.entries[""]


def test_what_has_not_left_when_an_agent_is_closed_is_taken_by_nobody_any_more() -> None:
    far, message = elsewhere(), Message(payload=1)
    far.outbox.offer(message)
    assert far.learn(replace(FAR, closed="it was stopped")) == [message]
    with pytest.raises(AgentTerminated, match="it was stopped"):
        far.outbox.offer(message)
    assert far.learn(FAR) == []
    assert far.outbox.offer(message)


def test_what_was_sent_to_an_agent_that_is_closed_is_refused_by_its_process() -> None:
    far = elsewhere()
    far.outbox.open_way()
    far.outbox.offer(Message(payload=1))
    assert far.learn(replace(FAR, closed="it was stopped")) == []


def test_the_next_run_of_its_process_has_what_comes_from_now_on() -> None:
    far = elsewhere()
    far.outbox.open_way()
    far.outbox.offer(Message(payload=1))
    assert not far.turn()
    far.learn(replace(FAR, boot="boot-2"))
    assert (far.boot, far.turning, far.alive) == ("boot-2", False, True)


def test_an_agent_that_moves_is_at_its_new_node_when_the_old_one_is_finished() -> None:
    far, message = elsewhere(), Message(payload=1)
    far.outbox.open_way()
    far.outbox.offer(message)
    far.learn(replace(FAR, node="v", boot="boot-v"))
    assert (far.boot, far.turning, far.alive) == ("boot-w", True, True)
    assert not far.turn()
    far.outbox.settled(message.id)
    assert far.turn()
    assert (far.boot, far.turning, far.alive) == ("boot-v", False, False)


def test_a_conversation_has_one_mailbox_and_what_belongs_to_none_has_its_own() -> None:
    talks = pool()
    assert talks.cell("c", "1") is talks.cell("c", "2")
    assert talks.cell("c", "1").name == "pool/c"
    assert talks.cell(None, "1").name == "pool/1"
    assert talks.cell("", "1").name == "pool/"
    assert talks.find("pool/c") is talks.cell("c", "")
    assert talks.find("pool/d") is None
    assert talks.load == 3


def test_a_conversation_of_a_replica_is_known_by_the_name_that_it_stands_behind() -> None:
    one = pool(name="crew-1", behind="crew")
    each, message = one.cell("c", ""), Message(recipient="crew/c", payload=1)
    assert each.name == "crew/c"
    assert one.address(message) == "crew-1/c"
    assert pool().address(Message(recipient="pool/c", payload=1)) == "pool/c"


@pytest.mark.parametrize(
    ("boot", "closed", "alive"),
    [("boot-w", "", True), (None, "", False), ("boot-w", "it was stopped", False)],
)
def test_a_conversation_is_sent_at_once_while_its_pool_is_there(
    boot: str | None, closed: str, alive: bool
) -> None:
    talks = pool(boot=boot, closed=closed)
    assert talks.alive is alive
    assert talks.cell("c", "").alive is alive
    talks.learn(POOL)
    assert talks.alive
    assert talks.facts is POOL


def test_what_a_pool_learns_its_conversations_know() -> None:
    talks = pool()
    each, message = talks.cell("c", ""), Message(payload=1)
    assert each.outbox.offer(message)
    each.outbox.close_way()
    assert talks.learn(replace(POOL, closed="it was stopped")) == [message]
    assert (each.name, each.facts.closed) == ("pool/c", "it was stopped")
    assert not talks.alive


def test_a_conversation_that_the_broker_keeps_takes_no_place() -> None:
    way = Kept()
    talks = pool(way)
    assert talks.cell("c", "1").entry is way.entries["c"]
    assert talks.cell(None, "2").entry is way.entries[""]
    assert talks.load == 0


async def test_those_that_wait_for_a_place_come_in_one_for_each_that_is_finished() -> None:
    talks = pool()
    going = [talks.cell(name, "") for name in "ab"]
    messages = [Message(payload=name) for name in "ab"]
    for each, message in zip(going, messages, strict=True):
        assert each.outbox.offer(message)
    third, fourth = (talks.cell(name, "") for name in "cd")
    one, other = await waiting(third.outbox), await waiting(fourth.outbox)
    going[0].outbox.settled(messages[0].id)
    talks.forget(going[0])
    await one
    assert talks.find("pool/a") is None
    assert (len(third.outbox), len(fourth.outbox)) == (1, 0)
    third.outbox.clear()
    talks.forget(third)
    await other


async def test_one_that_gave_up_waiting_leaves_its_place_to_the_next() -> None:
    talks = pool()
    going = [talks.cell(name, "") for name in "ab"]
    for each in going:
        assert each.outbox.offer(Message(payload=1))
    third, fourth = (talks.cell(name, "") for name in "cd")
    gives_up, waits = await waiting(third.outbox), await waiting(fourth.outbox)
    gives_up.cancel()
    await asyncio.wait({gives_up})
    going[0].outbox.clear()
    talks.forget(going[0])
    await waits
    assert talks.find("pool/c") is None


async def test_one_that_gave_up_waiting_is_forgotten_with_those_that_are_finished() -> None:
    talks = pool()
    going = talks.cell("a", "")
    assert going.outbox.offer(Message(payload=1))
    assert talks.cell("b", "").outbox.offer(Message(payload=1))
    gives_up = await waiting(talks.cell("c", "").outbox)
    gives_up.cancel()
    await asyncio.wait({gives_up})
    assert [each.name for each in talks.all()] == ["pool/a", "pool/b"]
    going.outbox.clear()
    talks.forget(going)
    assert talks.load == 1


class Forgets(Nowhere):
    """A way of one pool, which forgets the conversations that nothing is on the way to."""

    talks: ElsewherePool

    def idle(self, each: Elsewhere) -> None:
        self.talks.forget(each)


def forgetting() -> ElsewherePool:
    way = Forgets()
    way.talks = pool(way)
    return way.talks


async def test_a_conversation_whose_message_did_not_get_into_the_store_leaves_its_place() -> None:
    talks = forgetting()
    first, second = (talks.cell(name, "") for name in "ab")
    first.outbox.expect(1)
    assert second.outbox.offer(Message(payload=1))
    waits = await waiting(talks.cell("c", "").outbox)
    first.outbox.expect(0)
    await waits
    assert talks.find("pool/a") is None


def test_a_conversation_that_began_anew_is_not_forgotten_with_the_one_before() -> None:
    talks = pool()
    before = talks.cell("a", "")
    talks.forget(before)
    again = talks.cell("a", "")
    talks.forget(before)
    assert talks.find("pool/a") is again


def test_one_that_waited_for_a_place_and_did_not_get_into_the_store_is_not_let_in_later() -> None:
    talks = forgetting()
    first, _, held = all_three = [talks.cell(name, "") for name in "abc"]
    for each in all_three:
        each.outbox.expect(1)
    held.outbox.expect(0)
    first.outbox.expect(0)  # its place is free
    assert [each.name for each in talks.all()] == ["pool/b"]


@pytest.mark.promise(id="SEM-1810")
def test_a_conversation_whose_message_is_on_its_way_into_the_store_keeps_its_place() -> None:
    talks = pool(boot=None)
    each = talks.cell("a", "1")
    each.outbox.expect(1)
    assert talks.learn(POOL) == []  # its process is there now
    assert talks.find("pool/a") is each
    assert each.facts.boot == "boot-w"
    each.outbox.expect(0)
    assert list(talks.all()) == []


async def test_a_pool_whose_conversations_are_finished_lets_in_who_waits() -> None:
    talks = pool()
    going = [talks.cell(name, "") for name in "ab"]
    assert going[0].outbox.offer(Message(payload=1))
    third = talks.cell("c", "")
    waits = await waiting(third.outbox)
    assert [each.name for each in talks.all()] == ["pool/a", "pool/c"]
    await waits
    third.outbox.clear()
    assert [each.name for each in talks.all()] == ["pool/a"]
    assert talks.load == 1


async def test_a_larger_pool_has_room_for_more() -> None:
    talks = pool(size=2, max_live=3)
    for n in range(5):
        assert talks.cell(str(n), "").outbox.offer(Message(payload=1))
    assert not talks.cell("one more", "").outbox.offer(Message(payload=1))
