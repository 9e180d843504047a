"""What a runtime shows of itself, and how it starts and stops."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from civitas.errors import (
    ConfigurationError,
    StartFailed,
)
from civitas.events import Event
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, eventually


@pytest.mark.promise(id="SEM-609")
async def test_events_are_told_to_sync_and_async_callbacks(journal: Journal) -> None:
    seen: list[tuple[str, str]] = []

    async def later(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append((event.type, event.name))

    runtime = Runtime(Supervisor("root", [Actor("a", journal)], backoff="none"))
    for type in ("started", "crashed", "restarted"):
        runtime.on(type, later)
    unsubscribe = runtime.on("crashed", lambda event: seen.append(("sync", event.reason)))
    runtime.on("crashed", lambda event: 1 / 0)
    async with runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
        unsubscribe()
        await crash(runtime, "a")
    assert seen.count(("sync", "crashed")) == 1
    assert seen.count(("crashed", "a")) == 2
    assert ("started", "a") in seen
    assert ("restarted", "a") in seen


@pytest.mark.promise(id="SEM-607")
def test_an_unknown_event_type_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'crashed'"):
        Runtime(Supervisor("root")).on("crash", print)


@pytest.mark.promise(id="SEM-606")
async def test_the_tree_is_plain_data_with_every_key(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("a", journal)])
    async with Runtime(Supervisor("root", [inner])) as runtime:
        tree = runtime.tree()
        agent = tree["children"][0]["children"][0]
        assert {**agent, "pid": 0} == {
            "name": "a",
            "kind": "agent",
            "status": "running",
            "node": "root",
            "pid": 0,
            "restarts": 0,
            "mailbox_depth": 0,
            "children": [],
        }
        assert (tree["kind"], tree["status"]) == ("supervisor", "running")


@pytest.mark.promise(id="SEM-601")
async def test_stop_lets_the_mailboxes_run_empty_first(journal: Journal) -> None:
    actor = Actor("a", journal)
    runtime = Runtime(Supervisor("root", [actor]))
    await runtime.start()
    await runtime.send("a", 0, "hold")
    await journal.until("hold a")
    for n in range(50):
        await runtime.send("a", n)
    stopping = asyncio.create_task(runtime.stop())
    await eventually(lambda: not runtime._node.open)
    actor.release.set()
    await stopping
    assert len(actor.handled) == 51


@pytest.mark.promise(id="SEM-324")
@pytest.mark.promise(id="SEM-603")
async def test_what_is_left_after_the_drain_timeout_is_a_dead_letter(journal: Journal) -> None:
    runtime = Runtime(
        Supervisor("root", [Actor("a", journal, shutdown_timeout=0.01)]), drain_timeout=0.02
    )
    letters: list[str] = []
    runtime.on("dead_letter", lambda event: letters.append(event.reason))
    await runtime.start()
    await runtime.send("a", 0, "hold")
    await journal.until("hold a")
    await runtime.send("a", 1)
    await runtime.stop()
    assert letters == ["terminated", "terminated"]


@pytest.mark.promise(id="SEM-603")
async def test_an_agent_that_is_being_terminated_finishes_while_the_runtime_stops(
    journal: Journal,
) -> None:
    actor = Actor("a", journal)
    runtime = Runtime(Supervisor("root", [actor]))
    await runtime.start()
    await runtime.send("a", 0, "hold")
    await journal.until("hold a")
    terminating = asyncio.create_task(runtime.terminate_child("root", "a"))
    await eventually(lambda: runtime.tree()["children"][0]["status"] == "stopping")
    stopping = asyncio.create_task(runtime.stop())
    await eventually(lambda: not runtime._node.open)
    actor.release.set()
    await asyncio.gather(terminating, stopping)
    assert actor.handled == [0]


@pytest.mark.promise(id="SEM-601")
async def test_a_stopping_runtime_takes_no_work_from_outside(journal: Journal) -> None:
    actor = Actor("a", journal)
    runtime = Runtime(Supervisor("root", [actor]))
    with pytest.raises(ConfigurationError, match="not been started"):
        await runtime.ask("a", 1)
    await runtime.start()
    await runtime.send("a", 0, "hold")
    await journal.until("hold a")
    stopping = asyncio.create_task(runtime.stop())
    await eventually(lambda: not runtime._node.open)
    with pytest.raises(ConfigurationError, match="stopping"):
        await runtime.ask("a", 1)
    actor.release.set()
    await stopping


@pytest.mark.promise(id="SEM-602")
async def test_stop_is_idempotent_and_may_be_called_by_two(journal: Journal) -> None:
    runtime = Runtime(Supervisor("root", [Actor("a", journal)]))
    await runtime.start()
    await asyncio.gather(runtime.stop(), runtime.stop())
    await runtime.stop()
    await runtime.wait()
    assert journal == ["start a", "stop a"]


@pytest.mark.promise(id="SEM-604")
async def test_a_runtime_with_a_state_file_of_its_own_can_be_started_again(tmp_path: Path) -> None:
    child = {"name": "a", "type": "tests.core.runtime.counting.Counts"}
    runtime = Runtime.from_config(
        {
            "state": {"type": "sqlite", "path": str(tmp_path / "state.db")},
            "supervision": {"children": [{"agent": child}]},
        }
    )
    for expected in (1, 2):
        async with runtime:
            assert (await runtime.ask("a", None)).payload == expected


@pytest.mark.promise(id="SEM-604")
async def test_a_runtime_can_be_started_again_with_fresh_agents(journal: Journal) -> None:
    runtime = Runtime(Supervisor("root", [Actor("a", journal)]))
    for _ in range(2):
        async with runtime:
            await runtime.ask("a", 1)
            assert (await runtime.ask("a", None, "handled")).payload == [1]


@pytest.mark.promise(id="SEM-602")
async def test_an_agent_may_stop_its_own_runtime(journal: Journal) -> None:
    class Ends(AgentProcess):
        async def handle(self, message: Message) -> None:
            task = asyncio.create_task(runtime.stop())
            task.add_done_callback(lambda _: journal.write("stopped"))

    runtime = Runtime(Supervisor("root", [Ends("a")]))
    await runtime.start()
    await runtime.send("a", 1)
    await runtime.wait()
    await journal.until("stopped")


@pytest.mark.promise(id="SEM-605")
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"transport": "nats"}, "this runtime has only its own"),
        ({"transport": "in_proces"}, "did you mean 'in_process'"),
        ({"drain_timeout": -1}, "drain_timeout"),
        ({"name": "a b"}, "runtime's name"),
    ],
)
def test_a_wrong_argument_is_refused(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Runtime(Supervisor("root"), **keywords)


async def test_a_runtime_is_stopped_on_its_own_event_loop(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        with pytest.raises(ConfigurationError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, runtime.stop())
        assert (await runtime.ask("a", 1)).payload == 1


async def _read(stream: Any) -> list[Message]:
    return [each async for each in stream]


@pytest.mark.promise(id="SEM-615")
@pytest.mark.parametrize(
    "call",
    [
        lambda runtime: runtime.send("a", 1),
        lambda runtime: runtime.ask("a", 1),
        lambda runtime: _read(runtime.stream("a", 1)),
        lambda runtime: runtime.broadcast("nobody*", 1),
    ],
)
async def test_a_call_from_another_event_loop_is_told_where_to_make_it(
    journal: Journal, call: Any
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        with pytest.raises(ConfigurationError, match="run_coroutine_threadsafe"):
            await asyncio.to_thread(asyncio.run, call(runtime))
        assert (await runtime.ask("a", None, "handled")).payload == []


@pytest.mark.promise(id="SEM-614")
async def test_a_stop_during_the_start_stops_what_had_started_and_the_start_says_so(
    journal: Journal,
) -> None:
    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await asyncio.Event().wait()

    runtime = Runtime(Supervisor("root", [Actor("a", journal), Slow("b", journal)]))
    start = asyncio.create_task(runtime.start())
    await journal.until("starting")
    await asyncio.gather(runtime.stop(), runtime.stop())
    with pytest.raises(StartFailed, match="runtime 'civitas' was stopped while it started"):
        await start
    assert journal == ["start a", "starting", "stop a"]
    assert start.cancelling() == 0


async def test_an_agent_that_stops_the_runtime_while_it_starts_ends_the_start(
    journal: Journal,
) -> None:
    class Refuses(AgentProcess):
        async def on_start(self) -> None:
            await runtime.stop()

    runtime = Runtime(Supervisor("root", [Refuses("a")]))
    with pytest.raises(StartFailed, match="was stopped while it started"):
        await runtime.start()
