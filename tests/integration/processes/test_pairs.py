"""Any agent to any agent, whichever process it is in and whichever was started again since."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from civitas import Runtime
from tests.deep import DEEP
from tests.integration.processes.system import (
    Events,
    agent,
    asked_until_answered,
    kill,
    killed,
    pid_of,
    running,
    topology,
)

PLACES = {f"{place or 'root'}{n}": place for place in (None, "w", "v", "u") for n in range(2)}


async def talk(runtime: Runtime) -> None:
    """An ask and a send from each to each."""

    async def one(asker: str, asked: str) -> None:
        order = {"to": asked, "type": "pid", "payload": None}
        reply = await runtime.ask(asker, order, "ask")
        assert reply.payload == pid_of(runtime, asked), (asker, asked)
        await runtime.ask(asker, {**order, "type": "echo"}, "send")

    for asker in PLACES:
        # Not all at once: two that ask each other in the same moment would each wait for itself.
        await asyncio.gather(*(one(asker, asked) for asked in PLACES if asked != asker))


@pytest.mark.promise(id="SEM-915")
async def test_every_agent_reaches_every_other_also_after_restarts():
    config = topology(*(agent(name, place) for name, place in PLACES.items()), max_restarts=100)
    chance = random.Random(4)
    async with Runtime.from_config(config) as runtime:
        await talk(runtime)
        names = [name for name, place in PLACES.items() if place]
        for name in chance.sample(names, 3):
            await killed(runtime, name)
            await running(runtime)
            await talk(runtime)
        # Two at once.
        for name in ("w0", "v1"):
            await killed(runtime, name)
        await running(runtime)
        await talk(runtime)


@pytest.mark.promise(id="SEM-915")
@pytest.mark.timeout(600 if DEEP else 60)
async def test_pairs_that_talk_while_processes_are_killed_are_all_answered():
    """With `at_least_once`, whoever asks and whoever is killed."""
    config = topology(
        *(
            agent(name, place, delivery="at_least_once", max_deliveries=50)
            for name, place in PLACES.items()
        ),
        max_restarts=100,
    )
    async with Runtime.from_config(config) as runtime:

        async def from_root(asked: str) -> None:
            for n in range(600 if DEEP else 30):
                assert (await runtime.ask(asked, n, "echo")).payload == n

        async def through(asker: str, asked: str) -> None:
            order = {"to": asked, "type": "echo"}
            for n in range(200 if DEEP else 10):
                reply = await runtime.ask(asker, {**order, "payload": n}, "ask")
                assert reply.payload == n

        async def murder() -> None:
            for name in ("w0", "v0", "u0", "w1") * 10 if DEEP else ("w0", "u0"):
                await killed(runtime, name)
                await asked_until_answered(runtime, name)  # what waited before that is done

        ring = itertools.pairwise(PLACES)  # each asks the next: nobody waits for itself
        async with asyncio.TaskGroup() as group:
            for name in PLACES:
                group.create_task(from_root(name))
            for asker, asked in ring:
                group.create_task(through(asker, asked))
            group.create_task(murder())


@pytest.mark.promise(id="SEM-913")
async def test_an_agent_that_is_not_started_yet_is_waited_for_in_its_own_process_too():
    """Agents of one process are started one after another, also when their process comes back."""
    config = topology(
        agent("first", "w", delivery="at_least_once"),
        *(agent(f"between{n}", "w") for n in range(5)),
        agent("last", "w", "SlowToStart", delivery="at_least_once"),
        agent("root1"),
        max_restarts=100,
    )
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        order = {"to": "last", "type": "echo", "payload": 1}
        for _ in range(3):
            pid = kill(runtime, "first")
            assert (await runtime.ask("first", order, "ask")).payload == 1
            assert pid_of(runtime, "first") != pid
        assert {event.reason for event in events.of("crashed")} == {"node_down"}
