"""What a `send` was accepted for is handled, though the process of its sender dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from civitas import HandlerFailed, Runtime
from tests.integration.processes.system import (
    Events,
    agent,
    kill,
    lines,
    running,
    topology,
    until,
)

COUNT = 20
SURE = {"delivery": "at_least_once", "cancel_on_timeout": True}


def relayed(heard: Path, sink: str | None) -> dict:
    """A relay in `w2`, and a sink in `sink` that writes down what it hears."""
    return topology(
        agent("relay", "w2", "Relay"),
        agent("sink", sink, "Gated", file=str(heard), gate=f"{heard}.open", **SURE),
        agent("other", "w1"),
        max_restarts=10,
    )


def open_gate(heard: Path) -> None:
    Path(f"{heard}.open").touch()


async def accepted(runtime: Runtime) -> None:
    """Let the relay send; its answer says that all was accepted."""
    reply = await runtime.ask("relay", {"to": "sink", "count": COUNT}, "send")
    assert reply.payload == COUNT


async def handled(heard: Path) -> None:
    """Each once, in the order in which it was sent."""
    await until(lambda: len(lines(heard)) >= COUNT)
    assert lines(heard) == [f"relay {n}" for n in range(COUNT)]


@pytest.mark.promise(id="SEM-1131")
@pytest.mark.parametrize("sink", [None, "w1", "w2"], ids=["the root", "a worker", "the same"])
async def test_what_was_accepted_is_handled_when_its_sender_is_killed(tmp_path, sink):
    """Also where nobody waits any more for what the recipient has already, and where both die with one process."""
    heard = tmp_path / "heard"
    async with Runtime.from_config(relayed(heard, sink)) as runtime:
        events = Events(runtime)
        await accepted(runtime)
        kill(runtime, "relay")
        await until(lambda: events.of("node_down"))
        open_gate(heard)
        await handled(heard)
        await running(runtime)
    assert events.reasons() == []


@pytest.mark.promise(id="SEM-1131")
async def test_it_is_handled_when_both_sender_and_recipient_are_killed(tmp_path):
    """The recipient first, so that it was down when its sender died."""
    heard = tmp_path / "heard"
    async with Runtime.from_config(relayed(heard, "w1")) as runtime:
        events = Events(runtime)
        kill(runtime, "sink")
        await accepted(runtime)
        kill(runtime, "relay")
        await until(lambda: len(events.of("node_down")) == 2)
        await running(runtime)
        open_gate(heard)
        await handled(heard)
    assert events.reasons() == []


@pytest.mark.promise(id="SEM-1132")
async def test_many_sends_at_once_wait_for_the_root_together(tmp_path):
    """And what is sent and then asked stays in order, though the one goes by way of the root."""
    heard = tmp_path / "heard"
    async with Runtime.from_config(relayed(heard, "w1")) as runtime:
        open_gate(heard)
        sending = runtime.ask("relay", {"to": "sink", "count": 500}, "send at once")
        asked = await asyncio.wait_for(sending, 10)
        assert asked.payload == 500
        assert lines(heard) == [f"relay {n}" for n in range(500)] + ["relay last"]


@pytest.mark.promise(id="SEM-1242")
async def test_what_was_finished_when_its_process_was_killed_is_not_handled_again(tmp_path):
    """Though the process had no time to say so; an ask is, as its answer did not come, and each time is counted."""
    heard = tmp_path / "heard"
    sure = {**SURE, "max_deliveries": 2}
    tree = topology(agent("last", "w1", "Last", file=str(heard), **sure), max_restarts=10)
    async with Runtime.from_config(tree) as runtime:
        events = Events(runtime)
        await runtime.send("last", {"from": "root", "n": 0, "last": True})
        await until(lambda: events.of("node_down"))
        assert (await runtime.ask("last", {"from": "root", "n": 1})).payload == 1
        with pytest.raises(HandlerFailed, match="NodeDown"):
            await runtime.ask("last", {"from": "root", "n": 2, "last": True})
    assert lines(heard) == ["root 0", "root 1", "root 2", "root 2"]
