"""A process that is alive and does not answer: stopped, busy, stuck."""

from __future__ import annotations

import asyncio
import re
import signal
import time

import pytest

from civitas import HandlerFailed, NodeDown, Runtime
from tests.deep import further
from tests.integration.processes.system import (
    Events,
    agent,
    asked_until_answered,
    is_alive,
    kill,
    pid_of,
    topology,
    until,
)


@pytest.mark.promise(id="SEM-908")
async def test_a_stopped_process_is_down_after_node_timeout():
    config = topology(agent("a", "w"), agent("b", "v"), runtime={"node_timeout": 1})
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        stopped = kill(runtime, "a", signal.SIGSTOP)
        relayed = {"to": "a", "type": "echo", "payload": 1}
        asks = [runtime.ask("a", 1, "echo"), runtime.ask("b", relayed, "ask")]
        began = time.monotonic()
        errors = await asyncio.gather(*asks, return_exceptions=True)
        assert time.monotonic() - began < 5
        assert isinstance(errors[0], NodeDown)
        assert isinstance(errors[1], HandlerFailed)
        assert errors[1].error_type == "NodeDown"
        assert "could not be reached for node_timeout" in events.of("node_down")[0].message
        await asked_until_answered(runtime, "a")
        await asked_until_answered(runtime, "b")
        assert not is_alive(stopped)


@pytest.mark.promise(id="SEM-908")
async def test_a_process_that_goes_on_within_node_timeout_is_not_down():
    config = topology(agent("a", "w"), runtime={"node_timeout": 4})
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        before = kill(runtime, "a", signal.SIGSTOP)
        asking = asyncio.create_task(runtime.ask("a", 1, "echo"))
        await asyncio.wait({asking}, timeout=1)
        kill(runtime, "a", signal.SIGCONT)
        assert (await asking).payload == 1
        assert pid_of(runtime, "a") == before
        assert not events.of("node_down")


@pytest.mark.promise(id="SEM-909")
@pytest.mark.parametrize("how", ["stuck_in_c", *further("stuck_in_python")])
async def test_a_stuck_loop_ends_its_process_with_the_stack_in_the_log(capfd, how):
    config = topology(agent("a", "w"), agent("b", "v"), processes={"w": {"hang_timeout": 1}})
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        began = time.monotonic()
        with pytest.raises(NodeDown, match="hang_timeout"):
            await runtime.ask("a", None, how)
        assert 0.9 < time.monotonic() - began < 4
        await asked_until_answered(runtime, "a")
        assert [event.name for event in events.of("crashed")] == ["a"]
    assert how in capfd.readouterr().err


@pytest.mark.promise(id="SEM-909")
@pytest.mark.promise(id="SEM-1712")
async def test_a_busy_loop_shorter_than_hang_timeout_is_no_death():
    """Also where it is longer than node_timeout: heartbeats come from another thread."""
    config = topology(
        agent("a", "w"),
        agent("b", "v"),
        processes={"w": {"hang_timeout": 10}},
        runtime={"node_timeout": 1},
    )
    async with Runtime.from_config(config) as runtime:
        events, blocked = Events(runtime), []
        runtime.on("blocked", blocked.append)
        relayed = {"to": "a", "type": "echo", "payload": 7}
        busy = asyncio.create_task(runtime.ask("a", 3, "busy"))
        await asyncio.sleep(0)
        asked = await runtime.ask("b", relayed, "ask")
        assert asked.payload == 7
        assert (await busy).payload == 3
        assert not events.of("node_down")
        await until(lambda: blocked)
        assert (blocked[0].name, blocked[0].node) == ("a", "w")
        assert re.search(r"cast\.py:\d+ \(Actor\.handle\)$", blocked[0].reason)


@pytest.mark.promise(id="SEM-909")
async def test_a_root_that_is_busy_longer_than_node_timeout_loses_nobody():
    config = topology(agent("a", "w"), runtime={"node_timeout": 0.5})
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        before = pid_of(runtime, "a")
        time.sleep(1.5)  # noqa: ASYNC251
        assert (await runtime.ask("a", None, "pid")).payload == before
        await runtime.ask("a", 1, "echo")
        assert not events.of("node_down")
