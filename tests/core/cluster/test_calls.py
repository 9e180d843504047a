"""Calls from one node to another."""

from __future__ import annotations

import asyncio

import pytest

from civitas import NodeDown
from civitas.cluster.calls import Calls
from civitas.errors import StartFailed
from tests.core.cluster.parts import a_peer


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_a_call_that_a_death_cuts_off_speaks_of_the_process_and_of_no_message(
    moment: str,
) -> None:
    calls, (peer, _) = Calls(), a_peer("w")
    if moment == "before":
        peer.gone = "killed by SIGKILL"
    calling = asyncio.create_task(calls.call(peer, "alive", "far"))
    await asyncio.sleep(0)
    if moment == "meanwhile":
        calls.lost(peer, "killed by SIGKILL")
    with pytest.raises(NodeDown) as raised:
        await calling
    text = "process 'w' is down (killed by SIGKILL). Look for its end in the log, then try again"
    assert str(raised.value) == text
    assert str(StartFailed("far", raised.value)) == f"'far' did not start: {text}"
    assert (raised.value.agent, raised.value.node) == ("w", "w")


async def test_a_call_that_its_caller_gives_up_is_cancelled_there() -> None:
    calls, (peer, wire) = Calls(), a_peer("w")
    calling = asyncio.create_task(calls.call(peer, "alive", "far"))
    await asyncio.sleep(0)
    calling.cancel()
    await asyncio.wait({calling})
    (_, (id, *_)), cancelled = wire.sent
    assert cancelled == ("CANCEL", [id])
