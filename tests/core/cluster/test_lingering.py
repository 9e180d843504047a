"""What those who wait at a root that has passed on are told by the next one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.cluster.lingering import Lingering
from civitas.errors import ConfigurationError, NodeDown
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
    lingering = Lingering("root", "token", MemoryNetwork().transport)
    lingering._guest = Older()  # type: ignore[assignment]
    await asyncio.wait_for(lingering.answer(asks), 5)
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
    lingering = Lingering("root", "token", MemoryNetwork().transport)
    guest = lingering._guest = Starts()  # type: ignore[assignment]
    finding = asyncio.create_task(lingering.find())
    while not guest.asked:
        await asyncio.sleep(0)
    assert not lingering.has_found
    await asyncio.wait_for(finding, 5)
    assert lingering.has_found


class Shows(Older):
    """The way to a root whose edge is known."""

    async def call(self, what: str, *arguments: Any) -> Any:
        return {"port": 1}


@pytest.mark.promise(id="SEM-1815")
async def test_a_root_that_leads_again_does_not_take_itself_for_the_next_one() -> None:
    lingering = Lingering("root", "token", MemoryNetwork().transport)
    lingering.begin()
    lingering.reset()
    lingering._guest = Shows()  # type: ignore[assignment]
    finding = asyncio.create_task(lingering.find_edge(behind=True))
    await asyncio.sleep(0)
    assert not finding.done()
    lingering.begin()
    assert await finding == {"port": 1}
