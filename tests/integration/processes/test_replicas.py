"""Several OS processes behind one name, of which some are killed; who else gets what is in `tests/integration/wire`."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path

import pytest

from civitas import HandlerFailed, Message, NodeDown, Runtime
from tests.deep import DEEP
from tests.integration.processes.load import SENDERS, assert_each_came_in_order, send_during
from tests.integration.processes.system import (
    Events,
    agent,
    kill,
    killed,
    lines,
    look,
    running,
    topology,
    until,
)

KILLS = 60 if DEEP else 4


async def holding(runtime: Runtime, file: Path) -> tuple[asyncio.Task[Message], str]:
    """Let the replica of `crew` that has conversation `c` hold a message for ever; return the ask and which one."""
    busy = (await runtime.ask("crew", None, "echo", conversation="c")).sender
    assert busy is not None
    asking = asyncio.create_task(runtime.ask("crew", str(file), "hold", conversation="c"))
    await until(file.exists)
    return asking, busy


@pytest.mark.promise(id="SEM-931")
async def test_n_processes_share_the_messages_for_one_name():
    async with Runtime.from_config(topology(agent("crew", "w", replicas=3))) as runtime:
        group = look(runtime, "crew")
        pids = {each["node"]: each["pid"] for each in group["children"]}
        assert [each["name"] for each in group["children"]] == ["crew-1", "crew-2", "crew-3"]
        assert list(pids) == ["w-1", "w-2", "w-3"]
        asks = (runtime.ask("crew", None, "pid") for _ in range(9))
        answers = Counter(reply.payload for reply in await asyncio.gather(*asks))
        assert answers == dict.fromkeys(pids.values(), 3)
        assert os.getpid() not in answers


@pytest.mark.promise(id="SEM-935")
async def test_at_most_once_who_waits_for_the_killed_one_is_told_at_once_and_others_go_on(tmp_path):
    config = topology(agent("crew", "w", replicas=2), agent("b", "v"))
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        asking, busy = await holding(runtime, tmp_path / "root")
        order = {"to": "crew", "type": "echo", "payload": 1}
        from_worker = asyncio.create_task(runtime.ask("b", order, "ask", conversation="c"))
        while not (await runtime.inspect(busy))["queue"]:
            pass  # until it has arrived
        began = time.monotonic()
        kill(runtime, busy)
        answers = await asyncio.gather(asking, from_worker, return_exceptions=True)
        assert time.monotonic() - began < 5  # not after node_timeout, which is 10 s
        assert isinstance(answers[0], NodeDown)
        assert isinstance(answers[1], HandlerFailed)
        assert answers[1].error_type == "NodeDown"
        # New messages do not wait for the one that is down, nor do those of its conversation.
        senders = {(await runtime.ask("crew", 1, "echo")).sender for _ in range(4)}
        assert (
            senders == {"crew-1", "crew-2"} - {busy} or look(runtime, busy)["status"] == "running"
        )
        other = (await runtime.ask("crew", 1, "echo", conversation="c")).sender
        assert other != busy
        await running(runtime)
        assert look(runtime, busy)["restarts"] == 1
        assert (await runtime.ask("crew", 1, "echo", conversation="c")).sender == other
    assert events.reasons().count("node_down") >= 1
    assert [event.name for event in events.of("crashed")].count(busy) == 1


@pytest.mark.promise(id="SEM-935")
async def test_at_least_once_who_waits_for_the_killed_one_is_answered(tmp_path):
    """By another that is up, in order, whether they ask from the root or from another process."""
    heard = tmp_path / "heard"
    crew = agent(
        "crew", "w", "Writer", file=str(heard), takes=0.1, replicas=2, delivery="at_least_once"
    )
    config = topology(crew, agent("b", "v"))
    async with Runtime.from_config(config) as runtime:
        first = await runtime.ask("crew", {"from": "first", "n": 0}, conversation="c")
        asks = [
            asyncio.create_task(
                runtime.ask("crew", {"from": "root", "n": n}, conversation="c")
                if n % 2
                else runtime.ask(
                    "b",
                    {"to": "crew", "type": "message", "payload": {"from": "b", "n": n}},
                    "ask",
                    conversation="c",
                )
            )
            for n in range(6)
        ]
        await until(lambda: len(lines(heard)) > 1)
        assert first.sender is not None
        kill(runtime, first.sender)
        others = await asyncio.gather(
            *(runtime.ask("crew", {"from": "others", "n": n}) for n in range(4))
        )
        assert [reply.payload for reply in others] == [0, 1, 2, 3]
        replies = await asyncio.gather(*asks)
        assert [reply.payload for reply in replies] == list(range(6))
        assert replies[-1].sender != first.sender


@pytest.mark.promise(id="SEM-935")
@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("kind", ["agent", "conversation_pool"])
async def test_killed_in_turns_nothing_accepted_is_lost_and_each_conversation_keeps_its_order(
    tmp_path, kind
):
    """From senders in the root and in another process, with asks that are answered."""
    heard = tmp_path / "heard"
    crew = agent("crew", "w", "Writer", file=str(heard), replicas=2, delivery="at_least_once")
    crew = {kind: {**crew["agent"], "max_deliveries": 1000}}

    async def murder() -> None:
        for n in range(KILLS):
            await running(runtime)
            await killed(runtime, f"crew-{n % 2 + 1}")
        await running(runtime)

    async with Runtime.from_config(topology(crew, *SENDERS, max_restarts=10_000)) as runtime:
        over = tmp_path / "over"
        sent = await send_during(murder(), runtime, "crew", over, conversations=True)
        events = Events(runtime)
    assert_each_came_in_order(heard, sent)
    assert events.reasons() == []


@pytest.mark.promise(id="SEM-935")
async def test_a_message_that_kills_each_replica_it_is_given_to_is_given_up(tmp_path):
    heard = tmp_path / "heard"
    crew = agent("crew", "w", "Writer", file=str(heard), replicas=2, delivery="at_least_once")
    config = topology(crew, max_restarts=10)
    async with Runtime.from_config(config) as runtime:
        poisoned = {"from": "root", "n": 1, "poison": "SIGKILL"}
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("crew", poisoned)
        assert failed.value.error_type == "NodeDown"
        assert len(lines(heard)) == 3
        await running(runtime)
        restarts = [each["restarts"] for each in look(runtime, "crew")["children"]]
        assert sum(restarts) == 3


@pytest.mark.promise(id="SEM-935")
async def test_a_stream_of_the_killed_one_ends_with_it():
    config = topology(agent("crew", "w", "Emitter", replicas=2))
    async with (
        Runtime.from_config(config) as runtime,
        aclosing(runtime.stream("crew", None)) as stream,
    ):
        pid = (await anext(stream)).payload
        os.kill(pid, 9)
        with pytest.raises(NodeDown):
            async for _ in stream:
                pass


@pytest.mark.promise(id="SEM-937")
async def test_beyond_what_they_may_have_together_all_of_them_are_started_again():
    """The group gives up, as any supervisor does, and its own supervisor starts it again."""
    config = topology(agent("crew", "w", replicas=2), max_restarts=1)
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        for name in ("crew-1", "crew-2"):
            await killed(runtime, name)
            await running(runtime)
        assert [event.name for event in events.of("gave_up")] == ["crew"]
        assert look(runtime, "crew")["restarts"] == 1
        assert (await runtime.ask("crew", 1, "echo")).payload == 1


@pytest.mark.promise(id="SEM-1545")
@pytest.mark.parametrize("kind", ["agent", "conversation_pool"])
async def test_processes_are_added_and_removed_while_messages_flow(tmp_path, caplog, kind):
    heard = tmp_path / "heard"
    crew = agent("crew", "w", "Writer", file=str(heard), replicas=2)
    config = topology({kind: crew["agent"]}, *SENDERS)

    async def scale() -> None:
        for replicas in (3, 1, 2):
            await runtime.scale("crew", replicas)
            names = [each["name"] for each in runtime.which_children("crew")]
            assert names == [f"crew-{n}" for n in range(1, replicas + 1)]

    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        over = tmp_path / "over"
        sent = await send_during(scale(), runtime, "crew", over, conversations=True)
        pids = {each["pid"] for each in look(runtime, "crew")["children"]}
        assert len(pids) == 2
    assert_each_came_in_order(heard, sent)
    assert events.reasons() == []
    assert not caplog.records
