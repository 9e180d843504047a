"""A process that is killed: what becomes of its messages, and of who waits."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from civitas import HandlerFailed, NodeDown, Runtime, SQLiteStateStore
from tests.deep import DEEP, further
from tests.integration.processes.load import SENDERS, assert_each_came_in_order, send_during
from tests.integration.processes.system import (
    Events,
    agent,
    asked_until_answered,
    kill,
    killed,
    lines,
    running,
    topology,
    until,
)

KILLS = 60 if DEEP else 4
"""How often the process is killed under load."""


@pytest.mark.promise(id="SEM-901")
@pytest.mark.timeout(60 + 2 * KILLS)
async def test_killed_at_random_moments_nothing_accepted_is_lost_and_order_is_kept(tmp_path):
    """From senders in the root and in another process, with asks that are answered."""
    heard = tmp_path / "heard"
    config = topology(
        agent("writer", "w", "Writer", file=str(heard), delivery="at_least_once"),
        *SENDERS,
        max_restarts=10_000,
    )
    # A message in hand at each kill could be unlucky more often than three times.
    config["supervision"]["children"][0]["agent"]["max_deliveries"] = 1000
    chance = random.Random(KILLS)

    async def murder() -> None:
        for _ in range(KILLS):
            await running(runtime)
            await asyncio.sleep(chance.choice((0.0, 0.001, 0.01, 0.1)) * chance.random())
            await killed(runtime, "writer")
        await runtime.ask("writer", {"from": "end", "n": 0})

    async with Runtime.from_config(config) as runtime:
        sent = await send_during(murder(), runtime, "writer", tmp_path / "over")
        events = Events(runtime)
    assert_each_came_in_order(heard, sent)
    assert min(sent.values()) > KILLS
    assert events.reasons() == []


@pytest.mark.promise(id="SEM-902")
async def test_at_most_once_each_waiting_ask_gets_node_down_at_once(tmp_path):
    """And what was lost is counted; what is sent while the process is down waits for it."""
    holding = tmp_path / "holding"
    config = topology(agent("a", "w"), agent("b", "v"))
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        relayed = {"to": "a", "type": "echo", "payload": 1}
        asks = [asyncio.create_task(runtime.ask("a", str(holding), "hold"))]
        await until(holding.exists)
        asks.append(asyncio.create_task(runtime.ask("a", 2, "echo")))
        asks.append(asyncio.create_task(runtime.ask("b", relayed, "ask")))
        await runtime.send("a", 3, "echo")
        while len((await runtime.inspect("a"))["queue"]) < 3:
            pass  # until all have arrived
        began = time.monotonic()
        kill(runtime, "a")
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert time.monotonic() - began < 5  # not after node_timeout, which is 10 s
        assert [type(answer) for answer in answers[:2]] == [NodeDown, NodeDown]
        assert isinstance(answers[2], HandlerFailed)
        assert answers[2].error_type == "NodeDown"
        waited = await asyncio.gather(*(runtime.ask("a", n, "echo") for n in range(3)))
        assert [reply.payload for reply in waited] == [0, 1, 2]
        assert (await runtime.ask("b", 1, "echo")).payload == 1
    assert events.reasons().count("node_down") == 4


@pytest.mark.promise(id="SEM-903")
@pytest.mark.promise(id="SEM-1086")
@pytest.mark.parametrize("how", ["SIGKILL", *further("exit", "SIGSEGV")])
async def test_a_poison_message_is_given_up_and_those_behind_it_are_handled(tmp_path, how):
    """Those that only stood in the queue when it killed its process are never counted, and no restarts are used up."""
    heard = tmp_path / "heard"
    config = topology(
        agent("writer", "w", "Writer", file=str(heard), delivery="at_least_once", max_deliveries=2),
        agent("b", "v"),
        agent("c", "w"),
        max_restarts=1,
    )
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        poison = [
            asyncio.create_task(runtime.ask("writer", {"from": "r", "n": n, "poison": how}))
            for n in range(3)
        ]
        behind = [
            asyncio.create_task(runtime.ask("writer", {"from": "r", "n": n})) for n in range(3, 6)
        ]
        relayed = {"to": "writer", "type": "message", "payload": {"from": "b", "n": 0}}
        behind.append(asyncio.create_task(runtime.ask("b", relayed, "ask")))
        for error in await asyncio.gather(*poison, return_exceptions=True):
            assert isinstance(error, HandlerFailed)
            assert error.error_type == "NodeDown"
        assert [(await each).payload for each in behind] == [3, 4, 5, 0]
    assert events.reasons() == ["max_deliveries"] * 3
    own = [line for line in lines(heard) if line.startswith("r")]
    assert own == [f"r {n}" for n in (0, 0, 1, 1, 2, 2, 3, 4, 5)]


@pytest.mark.promise(id="SEM-904")
@pytest.mark.promise(id="SEM-1086")
@pytest.mark.parametrize(("kills", "error"), [(0, "ValueError"), (1, "NodeDown")])
async def test_crashes_of_the_agent_and_of_its_process_count_together(tmp_path, kills, error):
    """`max_deliveries` is that of incarnations, however each ended, and none of them uses up a restart."""
    tried = tmp_path / "tried"
    options = {"delivery": "at_least_once", "max_deliveries": 4}
    config = topology(agent("a", "w", "Unlucky", file=str(tried), **options), max_restarts=1)
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        poison = asyncio.create_task(runtime.ask("a", kills))
        behind = asyncio.create_task(runtime.ask("a", None))
        with pytest.raises(HandlerFailed) as caught:
            await poison
        assert caught.value.error_type == error
        assert (await behind).payload == "fine"
    assert lines(tried) == ["0", "1", "2", "3"]
    assert events.reasons() == ["max_deliveries"]


async def test_a_killed_process_answers_again_within_a_second():
    config = topology(agent("a", "w"))
    async with Runtime.from_config(config) as runtime:
        took = []
        for _ in range(3):
            kill(runtime, "a")
            took.append(await asked_until_answered(runtime, "a"))
    # A sanity check: beside other work one round may take longer. The benchmarks have the figure.
    assert min(took) < 5.0, took


@pytest.mark.promise(id="SEM-1133")
@pytest.mark.parametrize("how", ["SIGINT", "stop loop", "cancel all"])
async def test_an_orderly_end_that_nobody_asked_for_is_a_crash(tmp_path, how):
    """What waits there is handled by the next incarnation, and each supervisor counts one crash."""
    heard, gate = tmp_path / "heard", tmp_path / "gate"
    sure = {"delivery": "at_least_once", "file": str(heard), "gate": str(gate)}
    config = topology(agent("a", "w"), agent("writer", "w", "Gated", **sure), max_restarts=1)
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        for n in range(5):
            await runtime.send("writer", {"from": "r", "n": n})
        with pytest.raises(NodeDown):
            await runtime.ask("a", how, "end")
        gate.touch()
        await until(lambda: len(lines(heard)) >= 5)
        assert lines(heard) == [f"r {n}" for n in range(5)]
    assert events.reasons() == ["node_down"]


@pytest.mark.promise(id="SEM-1139")
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
async def test_the_records_of_a_message_that_killed_its_process_go_with_it(tmp_path, delivery):
    store = SQLiteStateStore(tmp_path / "s.db")
    config = topology(
        agent("a", "w", "StepsAndDies", delivery=delivery, max_deliveries=1), max_restarts=10
    )
    async with Runtime.from_config(config, state_store=store) as runtime:
        events = Events(runtime)
        await runtime.send("a", None)
        await until(lambda: events.of("dead_letter"))
    kept = [key for key in await store.keys() if not key.startswith("civitas:dead:")]
    assert kept == ["noted"]
    await store.close()


@pytest.mark.promise(id="SEM-1243")
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
async def test_a_process_that_is_killed_leaves_no_records(tmp_path, delivery):
    """Not of what an agent beside it or in a third process sent, nor of what was finished in that moment."""
    store = SQLiteStateStore(tmp_path / "s.db")
    config = topology(
        agent("a", "w", "StepsAndDies", delivery=delivery, max_deliveries=1),
        agent("near", "w"),
        agent("far", "v"),
        max_restarts=10,
    )
    to_a = {"to": "a", "type": "message", "payload": None}
    async with Runtime.from_config(config, state_store=store) as runtime:
        events = Events(runtime)
        with pytest.raises(NodeDown):
            await runtime.ask("near", to_a, "ask")
        await runtime.ask("far", to_a, "send")
        await until(lambda: len(events.of("node_down")) == 2)
        await runtime.send("a", "late")
        await until(lambda: len(events.of("node_down")) == 3)
    kept = [key for key in await store.keys() if not key.startswith("civitas:dead:")]
    assert kept == ["noted"]
    await store.close()
