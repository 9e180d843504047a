"""What comes from other nodes: who gets it, and what becomes of it when somebody is not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.cluster.calls import Calls
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.incoming import Incoming
from civitas.cluster.letters.letters import Letters
from civitas.cluster.letters.origin import FromBeside, FromPeer, Uncounted
from civitas.cluster.peers import Peer
from civitas.errors import (
    AgentTerminated,
    AskCycle,
    HandlerFailed,
    PayloadError,
    UnknownAgent,
)
from civitas.message import Message, Serializer, dumps
from civitas.node import AHEAD
from tests.core.cluster.parts import Arrived, Here, a_peer


class There(Here):
    """The same node, with `near`, an agent of its own that has room for one message, and messages from `v`."""

    def __init__(self, *, hands_on: bool = True) -> None:
        super().__init__()
        self.sender, self.back_wire = a_peer("v")
        self.peers.met(self.sender)
        self.registry["near"] = self.near = Arrived("near", 1)
        self.missed: list[tuple[str, str, bool]] = []
        self.into = self.new(hands_on=hands_on)
        self.into.withdrawn = lambda *what: self.missed.append(what)

    def new(self, *, hands_on: bool = True) -> Incoming:
        return Incoming(
            self,
            self.peers,
            self.back,
            Cycles("here", self.registry, self.peers, self.foreign, self.out.has, lambda *_: None),
            lambda to, message: self.registry.route(to, message.conversation, message.id),
            self.out if hands_on else None,
        )

    def comes(
        self, to: str, *, peer: Peer | None = None, asker: str | None = None, **keys: Any
    ) -> Message:
        message = keys.pop("again", None) or Message(recipient=to, payload=1, reply_to="v")
        rest = {"given": 0, "node": "v", "hold": False, "shuts_down": False, **keys}
        raw = dumps(message, Serializer.MSGPACK)
        self.into.message(peer or self.sender, to, raw, asker, **rest)
        return message

    @property
    def refusal(self) -> BaseException:
        [(_, error)] = self.refused
        return error


async def test_a_message_goes_to_its_agent_with_what_is_known_of_it() -> None:
    there = There()
    message = there.comes("near", asker="far", given=2)
    assert [each.id for each in there.near.mailbox] == [message.id]
    assert there.near.given == [(message.id, 2)]
    origin = there.foreign[message.id]
    assert (origin.cell, origin.asker, origin.peer) == (there.near, "far", there.sender)


async def test_one_for_a_full_mailbox_is_put_all_the_same_as_its_sender_holds_to_the_bound() -> (
    None
):
    there = There()
    messages = [there.comes("near").id for _ in range(4)]
    assert [each.id for each in there.near.mailbox] == messages
    assert there.near.given == []


@pytest.mark.parametrize("hold", [True, False])
async def test_a_sender_that_waits_for_it_is_told_that_its_message_is_here(hold: bool) -> None:
    there = There()
    message = there.comes("near", hold=hold)
    await asyncio.sleep(0)
    assert there.back_wire.sent == ([("HELD", [[message.id]])] if hold else [])


async def test_an_ask_that_would_wait_for_itself_is_refused_and_finished() -> None:
    there = There()
    there.near.asking = {"edge": "far"}
    message = there.comes("near", asker="far")
    assert isinstance(there.refusal, AskCycle)
    assert there.refusal.cycle == ("far", "near", "far")
    assert (there.settled, there.letters) == ([message.id], [])
    assert list(there.near.mailbox) == []


async def test_one_for_nobody_is_refused_and_a_dead_letter() -> None:
    there = There()
    message = there.comes("nobody")
    assert isinstance(there.refusal, UnknownAgent)
    assert (there.settled, there.letters) == ([], [(message.id, "unknown")])


async def test_one_for_an_agent_elsewhere_is_handed_on() -> None:
    there = There()
    there.far.outbox.open_way()
    message = there.comes("far", asker="near")
    [(kind, fields)] = there.wire.sent
    assert (kind, fields[0], fields[2]) == ("MESSAGE", "far", "near")
    assert there.foreign[message.id].handed_on
    assert there.refused == []


async def test_a_member_hands_nothing_on() -> None:
    there = There(hands_on=False)
    there.comes("far")
    assert isinstance(there.refusal, UnknownAgent)


async def test_one_for_an_agent_elsewhere_that_is_closed_is_refused_with_why() -> None:
    there = There()
    there.learns(closed="it was stopped")
    message = there.comes("far")
    assert isinstance(there.refusal, AgentTerminated)
    assert "it was stopped" in str(there.refusal)
    assert there.letters == [(message.id, "terminated")]


async def test_an_agent_that_asks_itself_by_way_of_another_node_is_refused() -> None:
    there = There()
    there.comes("far", asker="far")
    assert isinstance(there.refusal, AskCycle)
    assert there.refusal.cycle == ("far", "far")


async def test_one_that_cannot_travel_on_is_refused_and_a_dead_letter() -> None:
    there = There()

    def too_large(message: Message) -> None:
        raise PayloadError("message", "too large")

    there.far.outbox._check = too_large
    message = there.comes("far")
    assert isinstance(there.refusal, HandlerFailed)
    assert there.refusal.error_type == "PayloadError"
    assert there.letters == [(message.id, "crashed")]


async def test_an_agent_that_is_being_stopped_does_not_wait_for_one_that_is_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = There()

    def refuse(cell: object, asker: str) -> None:
        raise AgentTerminated("near", f"it is down, and {asker} is being stopped")

    monkeypatch.setattr(there, "refuse_while_down", refuse)
    there.comes("near", asker="a")
    assert there.refused == []
    there.comes("near", shuts_down=True)
    assert there.refused == []
    there.comes("near", asker="a", shuts_down=True)
    assert isinstance(there.refusal, AgentTerminated)


# A root that took over hands on again what the one before had handed on.


async def test_what_an_agent_has_already_by_way_of_a_root_that_is_gone_is_not_put_twice() -> None:
    there = There()
    message = there.comes("near", asker="a")
    there.peers.gone("boot-v", "killed")
    next_root, _ = a_peer("v", "boot-v2")
    there.comes("near", peer=next_root, asker="b", again=message)
    assert len(list(there.near.mailbox)) == 1
    origin = there.foreign[message.id]
    assert (origin.peer, origin.asker) == (next_root, "b")


async def test_what_comes_twice_while_its_sender_is_there_is_put_twice() -> None:
    there = There()
    message = there.comes("near")
    there.comes("near", again=message)
    assert len(list(there.near.mailbox)) == 2


async def test_what_was_handed_on_for_a_root_that_is_gone_is_handed_on_again() -> None:
    there = There()
    there.far.outbox.open_way()
    message = there.comes("far")
    there.peers.gone("boot-v", "killed")
    there.comes("far", peer=a_peer("v", "boot-v2")[0], again=message)
    assert len(there.wire.sent) == 2


# What one agent of a process sends to another there, and is held here for its death.


async def test_what_is_held_is_told_and_sent_when_the_process_is_back() -> None:
    there = There()
    message = Message(recipient="far", payload=1)
    there.far.outbox.open_way()
    there.into.hold(there.peer, dumps(message, Serializer.MSGPACK))
    await asyncio.sleep(0)
    assert there.wire.sent == [("HELD", [[message.id]])]
    assert there.out.has(message.id)
    there.far.outbox.lost()
    there.far.outbox.open_way()
    assert [kind for kind, _ in there.wire.sent] == ["HELD", "MESSAGE"]


async def test_what_is_for_nobody_or_for_an_agent_here_is_not_held() -> None:
    there = There()
    for name in ("nobody", "near"):
        message = Message(recipient=name, payload=1)
        there.into.hold(there.peer, dumps(message, Serializer.MSGPACK))
        assert not there.out.has(message.id)
    await asyncio.sleep(0)
    assert len(there.wire.sent) == 1


async def test_a_member_holds_nothing() -> None:
    there = There(hands_on=False)
    there.into.hold(there.peer, dumps(Message(recipient="far", payload=1), Serializer.MSGPACK))
    await asyncio.sleep(0)
    assert there.wire.sent == []
    assert len(there.far.outbox) == 0


async def test_what_stood_for_an_agent_that_is_here_now_goes_into_its_mailbox() -> None:
    there = There()
    own, others = (Message(recipient="near", payload=n, reply_to="v") for n in (1, 2))
    there.foreign[others.id] = FromPeer(there.sender, others, there.back)
    there.into.moved(there.peer, [own, others])
    assert [each.id for each in there.near.mailbox] == [own.id, others.id]
    assert list(there.foreign) == [others.id]
    origin = there.foreign[others.id]
    assert (origin.peer, origin.cell) == (there.peer, there.near)


# Those who asked.


async def test_an_asker_that_is_gone_is_told_to_the_agent_that_has_its_message() -> None:
    there = There()
    message = there.comes("near")
    there.into.withdraw(there.sender, "near", message.id, True)
    assert there.near.withdrawn == [(message.id, True)]
    assert there.missed == []


async def test_one_whose_message_did_not_come_yet_is_told_to_whoever_reads_it() -> None:
    there = There()
    there.foreign["beside"] = FromBeside(Uncounted(), "beside")
    for id in ("m1", "beside"):
        there.into.withdraw(there.sender, "near", id, False)
    assert there.missed == [("near", "m1", False)]


async def test_one_that_nobody_reads_and_that_never_came_is_passed_over() -> None:
    there = There()
    there.into.withdrawn = there.new().withdrawn
    there.into.withdraw(there.sender, "near", "m1", False)
    assert (there.missed, there.letters) == ([], [])


async def test_what_a_reader_took_makes_room_for_the_chunks_of_the_agent_here() -> None:
    there = There()
    origin = there.foreign[there.comes("near").id]
    for number in range(AHEAD):
        if (taking := origin.chunk(Message(payload=number))) is not True:
            await taking
    waiting = [asyncio.ensure_future(origin.chunk(Message(payload=each))) for each in "abc"]
    await asyncio.sleep(0)
    there.into.room(there.sender, origin.message.id, 2)
    assert await asyncio.gather(*waiting[:2]) == [True, True]
    assert not waiting[2].done()
    waiting[2].cancel()
    assert there.wire.sent == []


async def test_what_a_reader_took_of_an_agent_elsewhere_is_told_there() -> None:
    there = There()
    there.far.outbox.open_way()
    message = there.comes("far")
    there.into.room(there.sender, message.id, 7)
    assert there.wire.sent[1:] == [("ROOM", [message.id, 7])]
    there.peers.gone("boot-w", "killed")
    there.into.room(there.sender, message.id, 1)
    there.into.room(there.sender, "unknown", 1)
    assert len(there.wire.sent) == 2


async def test_a_node_that_is_gone_waits_for_nothing_any_more_and_others_still_do() -> None:
    there = There()
    gone, stays = there.comes("near"), there.comes("near", peer=there.peer)
    there.foreign["beside"] = FromBeside(Uncounted(), "beside")
    there.into.left(there.sender)
    assert there.near.withdrawn == [(gone.id, False)]
    assert stays.id in there.foreign


async def test_what_it_asked_of_an_agent_whose_process_is_not_there_is_taken_out() -> None:
    there = There()
    message = there.comes("far")
    there.into.left(there.sender)
    assert there.letters == [(message.id, "no_reader")]
    assert len(there.far.outbox) == 0


async def test_what_it_asked_of_an_agent_elsewhere_is_withdrawn_there() -> None:
    there = There()
    there.far.outbox.open_way()
    message = there.comes("far")
    there.into.left(there.sender)
    assert there.wire.sent[1:] == [("WITHDRAW", ["far", message.id, False])]
    assert there.letters == []


async def test_a_member_tells_its_agents_that_whoever_asked_is_gone() -> None:
    there = There(hands_on=False)
    message = there.comes("near")
    there.into.left(there.sender)
    assert there.near.withdrawn == [(message.id, False)]


@pytest.mark.promise(id="SEM-1836")
async def test_an_answer_to_what_a_former_root_asked_waits_for_the_next_root_if_the_last_is_killed() -> (
    None
):
    there, (killed, _), (heir, wire) = There(), a_peer("root", "killed"), a_peer("root", "next")
    letters = Letters(
        there, there.peers, Calls(), Serializer.MSGPACK, asyncio.get_running_loop, route=None
    )
    there.peers.met(killed)
    letters.inherit(["former"], killed)
    origins = {
        each: FromPeer(killed, Message(recipient="near", reply_to="root"), there.back)
        for each in ("former", "killed")
    }
    for boot, origin in origins.items():
        origin.boot = boot
        there.foreign[origin.message.id] = origin
    letters.part("killed", "it was killed")
    handed = [each.answered(Message(recipient="root", payload="done")) for each in origins.values()]
    there.peers.met(heir)
    letters.inherit(["former"], heir)
    assert handed == [True, False]
    [(kind, [id, _])] = wire.sent
    assert (kind, id) == ("ANSWER", origins["former"].message.id)
