"""Who of several gets a message, by what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from civitas.cluster.facts import Facts
from civitas.cluster.letters import replicas
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.replicas import Replicas
from civitas.errors import AgentTerminated
from civitas.message import Message, new_message
from civitas.node import Registry
from civitas.process import ChildKind, Status


@dataclass
class Child:
    """What is asked of a `RemoteChild` here."""

    name: str
    status: Status = Status.RUNNING
    alive: bool = True
    awake: str = ""

    def is_awake(self, conversation: str) -> bool:
        return conversation == self.awake


class Nowhere:
    """A way that leads nowhere."""

    def post(self, each: Elsewhere, message: Message) -> None: ...

    def withdrawn(self, each: Elsewhere, message: Message, reader_left: bool) -> None: ...

    def idle(self, each: Elsewhere) -> None: ...

    def check(self, message: Message) -> None: ...

    def holder_for(self, facts: Facts) -> None: ...

    def kept_entry(self, each: object) -> None: ...

    def accepting_entry(self, each: object) -> None: ...


class Crew:
    """Three of them, all up and idle."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.group = Replicas("crew", ChildKind.AGENT, self.registry)
        self.children = {name: Child(name) for name in ("crew-1", "crew-2", "crew-3")}
        for child in self.children.values():
            facts = Facts(child.name, f"w-{child.name}", "boot", behind="crew")
            each = Elsewhere(facts, Nowhere())
            each.outbox.open_way()
            self.registry[child.name] = each
            self.group.add(child)

    def __getitem__(self, n: int) -> Elsewhere:
        each = self.registry[f"crew-{n}"]
        assert isinstance(each, Elsewhere)
        return each

    def give(self, n: int, times: int = 1) -> None:
        """Let one have so many messages that it is not finished with."""
        for _ in range(times):
            self[n].outbox.offer(new_message("m", None, "crew", b""))

    def close(self, n: int) -> None:
        self[n].learn(replace(self[n].facts, closed="it was stopped"))

    def choose(self, conversation: str | None = None, sender: str | None = None) -> str:
        return self.group.choose(conversation, sender).name


@pytest.fixture
def crew() -> Crew:
    return Crew()


def test_equals_take_turns(crew: Crew) -> None:
    assert [crew.choose() for _ in range(4)] == ["crew-1", "crew-2", "crew-3", "crew-1"]


def test_the_one_with_the_fewest_unfinished_messages_is_chosen(crew: Crew) -> None:
    crew.give(1, 2)
    crew.give(3, 1)
    assert crew.choose() == "crew-2"
    crew.give(2, 3)
    assert crew.choose() == "crew-3"


def test_one_that_is_restarted_is_chosen_only_where_no_other_is_up(crew: Crew) -> None:
    crew.children["crew-1"].status = Status.RESTARTING
    crew[2].outbox.close_way()
    crew.give(3, 9)
    assert {crew.choose() for _ in range(3)} == {"crew-3"}
    crew.children["crew-3"].status = Status.RESTARTING
    assert crew.choose() == "crew-1"


def test_the_sender_itself_comes_last_of_those_that_are_up(crew: Crew) -> None:
    crew.give(2)
    crew.give(3)
    assert crew.choose(sender="crew-1") == "crew-2"
    crew[2].outbox.close_way()
    crew[3].outbox.close_way()
    assert crew.choose(sender="crew-1") == "crew-1"


def test_a_conversation_stays_also_with_one_that_is_busy_or_down(crew: Crew) -> None:
    assert crew.choose("c") == "crew-1"
    crew.give(1, 9)
    crew[1].outbox.close_way()
    assert crew.choose("c") == "crew-1"
    assert crew.choose("d") == "crew-2"


def test_a_conversation_of_one_that_is_closed_goes_to_another_for_good(crew: Crew) -> None:
    assert crew.choose("c") == "crew-1"
    crew.close(1)
    assert crew.choose("c") == "crew-2"
    crew[1].learn(replace(crew[1].facts, closed=""))
    assert crew.choose("c") == "crew-2"


def test_the_conversation_that_was_silent_longest_is_forgotten_first(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "_CONVERSATIONS", 2)
    assert [crew.choose("a"), crew.choose("b"), crew.choose("a")] == ["crew-1", "crew-2", "crew-1"]
    assert crew.choose("c") == "crew-3"
    assert [crew.group.holder(each) for each in "abc"] == ["crew-1", "", "crew-3"]


def test_a_conversation_that_is_awake_is_not_forgotten_and_the_next_one_is(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "_CONVERSATIONS", 2)
    crew.children["crew-1"].awake = "crew/a"
    for each in "abcd":
        crew.choose(each)
    assert [crew.group.holder(each) for each in "abcd"] == ["crew-1", "", "crew-3", "crew-1"]


def test_where_all_are_closed_the_name_is(crew: Crew) -> None:
    for n in (1, 2, 3):
        crew.close(n)
    with pytest.raises(AgentTerminated, match="it was stopped"):
        crew.choose()
    assert crew.group.facts("root", "boot").closed == "it was stopped"


def test_as_many_may_be_unfinished_as_the_mailboxes_of_those_that_are_there_hold(
    crew: Crew,
) -> None:
    crew.close(2)
    assert crew.group.facts("root", "boot") == Facts("crew", "root", "boot", size=2000)
