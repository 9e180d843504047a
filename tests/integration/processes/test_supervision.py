"""The end of a process is a crash of each agent in it, answered by each agent's own supervisor."""

from __future__ import annotations

import asyncio
import signal

import pytest

from civitas import AgentTerminated, Event, HandlerFailed, NodeDown, Runtime, SupervisorGaveUp
from tests.integration.processes.system import (
    CAST,
    Events,
    agent,
    agents_of,
    asked_until_answered,
    is_alive,
    kill,
    killed,
    lines,
    pid_of,
    running,
    topology,
    until,
)


def supervisor(name: str, *children: dict, **keywords) -> dict:
    return {"supervisor": {"name": name, "backoff": "none", **keywords, "children": list(children)}}


@pytest.mark.promise(id="SEM-905")
async def test_all_agents_of_a_dead_process_count_once_for_each_supervisor():
    config = topology(
        agent("a", "w"),
        agent("b", "w"),
        agent("c", "w"),
        supervisor("inner", agent("d", "w"), agent("e", "w"), max_restarts=2),
        max_restarts=2,
    )
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        for _ in range(2):
            await killed(runtime, "a")
            await running(runtime)
        assert {pid_of(runtime, name) for name in "abcde"} == {pid_of(runtime, "a")}
        assert not events.of("gave_up")
        assert [event.name for event in events.of("crashed")] == list("abcde") * 2
        assert {event.reason for event in events.of("crashed")} == {"node_down"}
        assert len(events.of("node_down")) == len(events.of("node_up")) == 2


@pytest.mark.promise(id="SEM-1191")
@pytest.mark.promise(id="SEM-1192")
async def test_who_is_told_of_a_dead_process_sees_its_agents_dead():
    config = topology(
        agent("a", "w"),
        agent("beside"),
        supervisor("inner", agent("b", "w"), agent("c", "w", restart="temporary")),
        {"conversation_pool": {"name": "talks", "type": f"{CAST}.Actor", "process": "w"}},
    )
    seen: list[tuple[str, dict[str, str]]] = []
    async with Runtime.from_config(config) as runtime:

        def look(event: Event) -> None:
            nodes = agents_of(runtime)
            seen.append((event.type, {each["name"]: each["status"] for each in nodes}))

        await runtime.ask("talks", 1, "echo", conversation="x")
        await until(lambda: any(each["name"] == "talks/x" for each in agents_of(runtime)))
        events = Events(runtime)
        for type in ("node_down", "crashed", "dead_letter"):
            runtime.on(type, look)
        await killed(runtime, "a")
        await until(lambda: len(events.of("node_up")) == 1)
        await until(lambda: len(events.of("crashed")) == 4)
    assert seen[0][0] == "node_down"
    assert seen[0][1] == {
        "a": "restarting",
        "beside": "running",
        "inner": "running",
        "b": "restarting",
        "c": "stopped",
        "talks": "restarting",
    }
    for _, statuses in seen[:3]:  # by then the first of them is on its way back
        assert {statuses[name] for name in ("b", "talks")} <= {"restarting", "starting"}
    told = [*events.of("node_down"), *events.of("node_up")]
    assert [(each.name, each.node) for each in told] == [("w", "w")] * 2
    assert {each.node for each in events.of("crashed")} == {"w"}


@pytest.mark.parametrize(
    ("strategy", "restarted"),
    [
        ("one_for_one", ["start b"]),
        ("rest_for_one", ["stop d", "stop c", "start b", "start c", "start d"]),
        ("one_for_all", ["stop d", "stop c", "stop a", *(f"start {name}" for name in "abcd")]),
    ],
)
async def test_the_strategy_holds_across_processes(tmp_path, strategy, restarted):
    life = tmp_path / "life"
    config = topology(
        agent("a", None, "Life", file=str(life)),
        agent("b", "w", "Life", file=str(life)),
        agent("c", "v", "Life", file=str(life)),
        agent("d", None, "Life", file=str(life)),
        strategy=strategy,
    )
    async with Runtime.from_config(config) as runtime:
        before = {name: pid_of(runtime, name) for name in "abcd"}
        assert lines(life) == [f"start {name}" for name in "abcd"]
        kill(runtime, "b")
        await until(lambda: len(lines(life)) == 4 + len(restarted))
        await running(runtime)
        assert lines(life)[4:] == restarted
        # The siblings are started again where they were; their processes live on.
        after = {name: pid_of(runtime, name) for name in "abcd"}
        assert [name for name in "abcd" if after[name] != before[name]] == ["b"]


@pytest.mark.promise(id="SEM-906")
async def test_beyond_the_intensity_the_supervisor_gives_up_and_all_processes_go():
    config = topology(agent("a", "w"), agent("b", "v"), max_restarts=1)
    runtime = Runtime.from_config(config)
    await runtime.start()
    try:
        events = Events(runtime)
        pids = [pid_of(runtime, "b")]
        pids.append(await killed(runtime, "a"))
        await running(runtime)
        pids.append(kill(runtime, "a"))
        with pytest.raises(SupervisorGaveUp):
            await asyncio.wait_for(runtime.wait(), 10)
        assert [event.name for event in events.of("gave_up")] == ["root"]
        for name in "ab":
            with pytest.raises(AgentTerminated):
                await runtime.ask(name, 1, "echo")
    finally:
        await runtime.stop()
    assert not any(map(is_alive, pids))


@pytest.mark.promise(id="SEM-906")
async def test_an_ask_that_waits_for_a_dead_process_ends_when_its_supervisor_gives_up():
    config = topology(agent("a", "w", delivery="at_least_once"), agent("b", "v"), max_restarts=0)
    async with Runtime.from_config(config) as runtime:
        relayed = {"to": "a", "type": "end", "payload": "SIGKILL"}
        asks = [runtime.ask("a", "SIGKILL", "end"), runtime.ask("b", relayed, "ask")]
        errors = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 5)
        assert [type(error) for error in errors] == [AgentTerminated, AgentTerminated]


async def test_a_temporary_agent_stays_down_with_its_process():
    config = topology(agent("a", "w", restart="temporary"), agent("b", "w", restart="transient"))
    async with Runtime.from_config(config) as runtime:
        kill(runtime, "a")
        await asked_until_answered(runtime, "b")
        assert [each["name"] for each in agents_of(runtime)] == ["b"]


@pytest.mark.promise(id="SEM-905")
async def test_two_processes_killed_at_once_are_two_crashes():
    children = [agent(f"{process}{n}", process) for n in range(3) for process in "wv"]
    async with Runtime.from_config(topology(*children, max_restarts=2)) as runtime:
        events = Events(runtime)
        kill(runtime, "w0")
        kill(runtime, "v0")
        for name in ("w0", "v0", "w2", "v2"):
            await asked_until_answered(runtime, name)
        assert not events.of("gave_up")


async def test_a_process_that_ends_by_itself_is_started_again():
    async with Runtime.from_config(topology(agent("a", "w"))) as runtime:
        events = Events(runtime)
        await runtime.send("a", 0, "end")
        await until(lambda: events.of("node_down"))
        assert "exited with status 0" in events.of("node_down")[0].message
        await asked_until_answered(runtime, "a")


@pytest.mark.promise(id="SEM-1166")
async def test_sigterm_of_a_worker_is_an_end_like_any_other():
    async with Runtime.from_config(topology(agent("a", "w"))) as runtime:
        events = Events(runtime)
        kill(runtime, "a", signal.SIGTERM)
        await until(lambda: events.of("node_down"))
        await asked_until_answered(runtime, "a")


@pytest.mark.promise(id="SEM-905")
async def test_out_of_memory_in_a_worker_is_supervised():
    """Its handler crashes, or its process dies: either way it is back."""
    async with Runtime.from_config(topology(agent("a", "w"))) as runtime:
        events = Events(runtime)
        with pytest.raises((HandlerFailed, NodeDown)) as caught:
            await runtime.ask("a", 1024**3, "eat", timeout=20)
        assert getattr(caught.value, "error_type", "NodeDown") in ("MemoryError", "NodeDown")
        await asked_until_answered(runtime, "a")
        assert [event.name for event in events.of("crashed")] == ["a"]


async def test_a_crash_whose_text_is_no_unicode_is_told_like_any_other():
    async with Runtime.from_config(topology(agent("a", "w"))) as runtime:
        with pytest.raises(HandlerFailed) as caught:
            await runtime.ask("a", "\\ud83d", "crash", timeout=None)
        assert (caught.value.error_type, caught.value.error_message) == ("ValueError", "\ud83d")
        assert await runtime.ask("a", None, "pid")
