"""Who holds what a member sends to an agent that nothing may be lost for."""

from __future__ import annotations

import pytest

from civitas.cluster.facts import Facts
from civitas.cluster.letters.holding import Held, HeldEntry
from civitas.message import Message
from civitas.process import Delivery, Mailbox


class Root:
    """Notes what it is sent a copy of, and what it is told to forget."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.held = Held("w", self._copy, self._settle)

    def _copy(self, message: Message) -> None:
        self.heard.append(("copy", message))

    def _settle(self, message: Message) -> None:
        self.heard.append(("settled", message))


class Resident:
    """An agent that a member hosts."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.entry = self.mailbox = Mailbox("a", 1)


def facts(node: str, delivery: Delivery = Delivery.AT_LEAST_ONCE) -> Facts:
    return Facts("a", node, "boot", delivery=delivery)


async def test_the_root_gets_a_copy_of_what_goes_to_an_agent_beside_its_sender() -> None:
    root, message = Root(), Message(payload=1)
    holder = root.held.holder_for(facts("w"))
    assert holder is not None
    has_it = holder.hold(message)
    assert root.heard == [("copy", message)]
    assert not has_it.done()
    root.held.by_root.told([message.id])
    assert has_it.done()


async def test_the_root_may_forget_a_copy_that_the_agent_did_not_take() -> None:
    root, message = Root(), Message(payload=1)
    holder = root.held.holder_for(facts("w"))
    assert holder is not None
    holder.hold(message)
    holder.release(message)
    assert root.heard == [("copy", message), ("settled", message)]
    assert message.id not in root.held.by_root


async def test_what_goes_to_another_process_passes_the_root_and_needs_no_copy() -> None:
    root, message = Root(), Message(payload=1)
    holder = root.held.holder_for(facts("v"))
    assert holder is not None
    holder.hold(message)
    assert root.heard == []
    assert message.id in root.held.by_root


def test_nobody_holds_what_may_be_lost() -> None:
    assert Root().held.holder_for(facts("v", Delivery.AT_MOST_ONCE)) is None


@pytest.mark.parametrize("delivery", Delivery)
def test_an_agent_of_the_member_has_the_entry_that_its_delivery_needs(delivery: Delivery) -> None:
    entry = Root().held.entered(Resident(delivery)).entry
    assert isinstance(entry, HeldEntry) is (delivery == Delivery.AT_LEAST_ONCE)
