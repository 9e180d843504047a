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
