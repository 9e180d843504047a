"""What those who wait at a root that has passed on are told by the next one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.cluster import next_root_client
from civitas.cluster.next_root_client import NextRootClient
from civitas.errors import ConfigurationError, NodeDown
from civitas.message import Message
from civitas.node.asks import PendingAsks
from civitas.testing import MemoryNetwork


class Older:
    """The way to a root of a version that does not know what is asked."""

    has_ended = False

    async def call(self, what: str, *arguments: Any) -> Any:
        raise ConfigurationError(f"node 'root' does not know the call {what!r}")

    def cast(self, what: str, *arguments: Any) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.promise(id="SEM-1811")
async def test_a_next_root_that_takes_over_no_answers_is_said_at_once() -> None:
    asks = PendingAsks(asyncio.get_running_loop())
    waiting = asks.add("m", None, None, "a")
    next_root = NextRootClient("root", "token", MemoryNetwork().transport)
    next_root._guest = Older()  # type: ignore[assignment]
    await asyncio.wait_for(next_root.answer(asks), 5)
    assert isinstance(waiting.result(), NodeDown)


class Starts(Older):
    """The way to a root that is starting its agents, and is not done when it is asked for the first time."""

    asked = 0

    async def call(self, what: str, *arguments: Any) -> Any:
        assert what == "started"
        self.asked += 1
        return self.asked > 1


@pytest.mark.promise(id="SEM-1834")
async def test_a_next_root_is_found_when_it_has_started_its_agents() -> None:
    next_root = NextRootClient("root", "token", MemoryNetwork().transport)
    guest = next_root._guest = Starts()  # type: ignore[assignment]
    finding = asyncio.create_task(next_root.find())
    while not guest.asked:
        await asyncio.sleep(0)
    assert not next_root.has_found
    await asyncio.wait_for(finding, 5)
    assert next_root.has_found


class Shows(Older):
    """The way to a root whose edge is known."""

    async def call(self, what: str, *arguments: Any) -> Any:
        return {"port": 1}


@pytest.mark.promise(id="SEM-1815")
async def test_a_root_that_leads_again_does_not_take_itself_for_the_next_one() -> None:
    next_root = NextRootClient("root", "token", MemoryNetwork().transport)
    next_root.begin()
    next_root.reset()
    next_root._guest = Shows()  # type: ignore[assignment]
    finding = asyncio.create_task(next_root.find_edge(behind=True))
    await asyncio.sleep(0)
    assert not finding.done()
    next_root.begin()
    assert await finding == {"port": 1}


class Passes(Starts):
    """The way to a root that has started, and passes on what is asked there."""

    asked = 1

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.looked = 0

    @property
    def root_boot(self) -> str:
        self.looked += 1
        return "next" if self.looked < 3 else "the one behind it"

    async def request(self, request: Any) -> Any:
        self.requests.append(request)
        return {"passing": True, "asked": "m"}

    async def answer_to(self, id: str) -> Message:
        return Message(recipient="root", payload=id)


@pytest.mark.promise(id="SEM-1837")
async def test_what_the_next_root_passes_on_in_turn_is_not_asked_again() -> None:
    next_root = NextRootClient("root", "token", MemoryNetwork().transport)
    next_root.begin()
    guest = next_root._guest = Passes()  # type: ignore[assignment]
    answer = await asyncio.wait_for(next_root.forward({"op": "ask"}), 5)
    assert isinstance(answer, Message)
    assert answer.payload == "m"
    assert guest.requests == [{"op": "ask"}]


class Dies(Passes):
    """The way to a root that is killed with a request in hand."""

    async def request(self, request: Any) -> Any:
        self.requests.append(request)
        raise NodeDown("a", "root", "it was killed")


@pytest.mark.promise(id="SEM-1837")
async def test_what_the_next_root_had_in_hand_as_it_was_killed_is_not_repeated() -> None:
    next_root = NextRootClient("root", "token", MemoryNetwork().transport)
    next_root.begin()
    guest = next_root._guest = Dies()  # type: ignore[assignment]
    with pytest.raises(NodeDown):
        await asyncio.wait_for(next_root.forward({"op": "send"}), 5)
    assert guest.requests == [{"op": "send"}]


class Refuses(Older):
    """The way to a root that speaks another version, three times; and then to another one."""

    times = 0

    def __init__(self, *arguments: Any, was_root: bool) -> None: ...

    async def enter(self, patience: float) -> bool:
        Refuses.times += 1
        if Refuses.times > 3:
            return True
        raise ConfigurationError("they speak different wire versions")


async def test_why_the_next_root_gives_no_answers_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Refuses, "times", 0)
    monkeypatch.setattr(next_root_client, "Guest", Refuses)
    monkeypatch.setattr(next_root_client, "_LOOK", 0.0)
    asking = NextRootClient("root", "token", MemoryNetwork().transport)
    await asyncio.wait_for(asking._there(), 5)
    await asking.close()
    [said] = caplog.messages
    assert said.endswith("cannot be fetched: they speak different wire versions")
