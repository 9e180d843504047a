"""A running supervisor: order, strategies, restarts that fail, escalation, and the hard moments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    HandlerFailed,
    StartFailed,
    SupervisorGaveUp,
)
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import ManualClock
from tests.core.support import Actor, Journal, crash, error_of, eventually, status


def family(journal: Journal, names: str, **keywords: Any) -> list[Actor]:
    return [Actor(name, journal, **keywords) for name in names]


def tree(journal: Journal, names: str = "abc", **keywords: Any) -> Supervisor:
    keywords.setdefault("backoff", "none")
    return Supervisor("root", family(journal, names), **keywords)


def names(runtime: Runtime) -> list[str]:
    return [child["name"] for child in runtime.tree()["children"]]


@pytest.mark.promise(id="SEM-401")
async def test_children_start_left_to_right_and_stop_right_to_left(journal: Journal) -> None:
    async with Runtime(tree(journal)):
        assert journal == ["start a", "start b", "start c"]
    assert journal[3:] == ["stop c", "stop b", "stop a"]


@pytest.mark.promise(id="SEM-401")
async def test_nested_supervisors_start_in_place_and_stop_in_reverse(journal: Journal) -> None:
    inner = Supervisor("inner", family(journal, "bc"))
    root = Supervisor("root", [*family(journal, "a"), inner, *family(journal, "d")])
    async with Runtime(root):
        assert journal == ["start a", "start b", "start c", "start d"]
    assert journal[4:] == ["stop d", "stop c", "stop b", "stop a"]


@pytest.mark.promise(id="SEM-402")
async def test_a_start_that_fails_stops_what_had_started_and_names_the_child(
    journal: Journal,
) -> None:
    root = Supervisor(
        "root", [*family(journal, "ab"), Actor("c", journal, fail_starts=1), *family(journal, "d")]
    )
    with pytest.raises(StartFailed) as caught:
        await Runtime(root).start()
    assert caught.value.child == "c"
    assert isinstance(caught.value.cause, RuntimeError)
    assert journal == ["start a", "start b", "failed c", "stop b", "stop a"]


@pytest.mark.promise(id="SEM-604")
async def test_a_runtime_whose_start_failed_can_be_started_again(journal: Journal) -> None:
    runtime = Runtime(Supervisor("root", [Actor("a", journal, fail_starts=1)]))
    with pytest.raises(StartFailed):
        await runtime.start()
    async with runtime:
        assert (await runtime.ask("a", 1)).payload == 1


@pytest.mark.promise(id="SEM-404")
@pytest.mark.parametrize(
    ("strategy", "crashed", "expected"),
    [
        ("one_for_one", "b", ["stop b", "start b"]),
        (
            "one_for_all",
            "b",
            ["stop b", "stop c", "stop a", "start a", "start b", "start c"],
        ),
        ("rest_for_one", "b", ["stop b", "stop c", "start b", "start c"]),
        ("rest_for_one", "c", ["stop c", "start c"]),
    ],
)
async def test_a_crash_restarts_whom_the_strategy_names_in_order(
    journal: Journal, strategy: str, crashed: str, expected: list[str]
) -> None:
    async with Runtime(tree(journal, strategy=strategy)) as runtime:
        journal.clear()
        assert isinstance(await crash(runtime, crashed), HandlerFailed)
        assert (await runtime.ask("c", "there")).payload == "there"
        await journal.until(expected[-1])
        assert journal == expected


@pytest.mark.promise(id="SEM-301")
async def test_a_restart_builds_a_fresh_instance_with_the_same_arguments(journal: Journal) -> None:
    async with Runtime(tree(journal, "a")) as runtime:
        await runtime.ask("a", "before")
        await crash(runtime, "a")
        assert (await runtime.ask("a", None, "handled")).payload == []


@pytest.mark.promise(id="SEM-317")
async def test_messages_sent_during_a_restart_wait_for_it(journal: Journal) -> None:
    root = tree(journal, "a", backoff="constant", backoff_base=0.02)
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        assert (await runtime.ask("a", "waited")).payload == "waited"


@pytest.mark.promise(id="SEM-317")
async def test_siblings_stopped_for_a_group_restart_keep_their_mailbox(journal: Journal) -> None:
    root = tree(journal, "ab", strategy="one_for_all")
    async with Runtime(root) as runtime:
        holding = asyncio.create_task(runtime.ask("b", None, "hold"))
        await journal.until("hold b")
        waiting = asyncio.create_task(runtime.ask("b", "kept"))
        await asyncio.sleep(0)
        agent = next(a for a in root.children if isinstance(a, Actor) and a.name == "b")
        crashing = asyncio.create_task(crash(runtime, "a"))
        await journal.until("stop a")
        agent.release.set()
        assert (await waiting).payload == "kept"
        assert (await holding).payload is None
        await crashing


@pytest.mark.promise(id="SEM-208")
@pytest.mark.promise(id="SEM-408")
async def test_beyond_the_intensity_the_root_gives_up_and_wait_raises(journal: Journal) -> None:
    runtime = Runtime(tree(journal, "ab", max_restarts=2))
    await runtime.start()
    for _ in range(3):
        await crash(runtime, "a")
    with pytest.raises(SupervisorGaveUp) as caught:
        await runtime.wait()
    assert (caught.value.supervisor, caught.value.child) == ("root", "a")
    assert "ValueError: a crashes" in str(caught.value)
    assert isinstance(await error_of(runtime.ask("b", 1)), AgentTerminated)
    assert status(runtime, "b") == "terminated"
    await runtime.stop()


@pytest.mark.promise(id="SEM-407")
async def test_a_nested_supervisor_that_gives_up_is_restarted_by_its_parent(
    journal: Journal,
) -> None:
    inner = Supervisor("inner", family(journal, "bc"), max_restarts=0)
    root = Supervisor("root", [*family(journal, "a"), inner], backoff="none")
    async with Runtime(root) as runtime:
        journal.clear()
        await crash(runtime, "b")
        await journal.until("start c")
        assert journal == ["stop b", "stop c", "start b", "start c"]
        assert (await runtime.ask("b", 1)).payload == 1


@pytest.mark.promise(id="SEM-208")
@pytest.mark.promise(id="SEM-407")
async def test_a_transient_supervisor_that_gives_up_is_not_restarted(journal: Journal) -> None:
    inner = Supervisor("inner", family(journal, "b"), max_restarts=0, restart="transient")
    async with Runtime(Supervisor("root", [inner, *family(journal, "a")])) as runtime:
        await crash(runtime, "b")
        assert isinstance(await error_of(runtime.ask("b", 1)), AgentTerminated)
        assert (await runtime.ask("a", 1)).payload == 1


@pytest.mark.promise(id="SEM-408")
async def test_what_escalates_to_the_root_ends_the_runtime(journal: Journal) -> None:
    inner = Supervisor("inner", family(journal, "b"), max_restarts=0)
    runtime = Runtime(Supervisor("root", [inner], max_restarts=0))
    await runtime.start()
    await crash(runtime, "b")
    with pytest.raises(SupervisorGaveUp) as caught:
        await runtime.wait()
    assert caught.value.supervisor == "root"
    await runtime.stop()


@pytest.mark.promise(id="SEM-409")
async def test_a_restart_that_fails_counts_and_is_tried_again(journal: Journal) -> None:
    class FailsSecond(Actor):
        async def on_start(self) -> None:
            self.journal.write(f"try {self.name}")
            if self.journal.count("try a") in (2, 3):
                raise RuntimeError("not yet")

    root = Supervisor("root", [FailsSecond("a", journal)], backoff="none", max_restarts=3)
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 1
        assert journal.count("try a") == 4


@pytest.mark.promise(id="SEM-410")
async def test_a_group_restart_that_fails_half_way_starts_the_group_again(journal: Journal) -> None:
    class FailsOnce(Actor):
        async def on_start(self) -> None:
            if self.journal.count("start a") == 2 and "failed b" not in self.journal:
                self.journal.write("failed b")
                raise RuntimeError("not yet")
            await super().on_start()

    children = [Actor("a", journal), FailsOnce("b", journal), Actor("c", journal)]
    async with Runtime(
        Supervisor("root", children, strategy="one_for_all", backoff="none")
    ) as runtime:
        journal.clear()
        journal.append("start a")
        await crash(runtime, "a")
        await journal.until("start c")
        assert journal[1:] == [
            *("stop a", "stop c", "stop b", "start a", "failed b"),
            *("stop a", "start a", "start b", "start c"),
        ]


@pytest.mark.promise(id="SEM-413")
async def test_two_that_crash_together_are_both_back_after_one_backoff(journal: Journal) -> None:
    clock = ManualClock()
    root = tree(journal, "ab", backoff="constant", backoff_base=1)
    async with Runtime(root, clock=clock) as runtime:
        await asyncio.gather(crash(runtime, "a"), crash(runtime, "b"))
        await clock.timers(2)
        clock.advance(1)
        await asyncio.gather(journal.until("start a", 2), journal.until("start b", 2))


@pytest.mark.promise(id="SEM-412")
async def test_a_supervisor_in_backoff_still_serves_its_other_children(journal: Journal) -> None:
    root = tree(journal, "ab", backoff="constant", backoff_base=60)
    runtime = Runtime(root, drain_timeout=0)
    async with runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        assert (await runtime.ask("b", 1)).payload == 1


@pytest.mark.promise(id="SEM-418")
async def test_a_stop_during_a_backoff_ends_at_once_and_refuses_who_waits(journal: Journal) -> None:
    runtime = Runtime(tree(journal, "a", backoff="constant", backoff_base=60), drain_timeout=0)
    await runtime.start()
    await crash(runtime, "a")
    waiting = asyncio.create_task(error_of(runtime.ask("a", 1)))
    await asyncio.sleep(0)
    await runtime.stop()
    assert isinstance(await waiting, AgentTerminated)


@pytest.mark.promise(id="SEM-418")
async def test_a_stop_cancels_a_child_that_hangs_in_its_restart(journal: Journal) -> None:
    class Hangs(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            if self.journal.count("starting") > 1:
                await asyncio.Event().wait()

    runtime = Runtime(Supervisor("root", [Hangs("a", journal)], backoff="none"), drain_timeout=0)
    await runtime.start()
    await crash(runtime, "a")
    await journal.until("starting", 2)
    async with asyncio.timeout(2):
        await runtime.stop()


@pytest.mark.promise(id="SEM-425")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strategy": "one_for_al"}, "did you mean 'one_for_all'"),
        ({"backoff": "exponentail"}, "did you mean 'exponential'"),
        ({"restart": 3}, "permanent, transient, temporary"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"max_restarts": 1.5}, "max_restarts"),
        ({"max_restarts": float("inf")}, "max_restarts"),
        ({"restart_window": 0}, "restart_window"),
        ({"restart_window": float("inf")}, "restart_window"),
        ({"children": "abc"}, "children must be a list"),
        ({"children": [object()]}, "a child must be an AgentProcess or a Supervisor"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Supervisor("root", **arguments)


async def test_a_tree_may_be_a_hundred_supervisors_deep_and_not_deeper(journal: Journal) -> None:
    child: Any = Actor("a", journal)
    for level in range(100):
        child = Supervisor(f"level-{level}", [child])
    async with Runtime(child) as runtime:
        assert runtime.tree()["name"] == "level-99"
    with pytest.raises(ConfigurationError, match="are nested more than 100 deep below it"):
        for level in range(100, 400):
            child = Supervisor(f"level-{level}", [child])


@pytest.mark.promise(id="SEM-426")
async def test_a_name_that_stands_twice_anywhere_in_the_tree_is_refused(journal: Journal) -> None:
    inner = Supervisor("inner", family(journal, "a"))
    with pytest.raises(ConfigurationError, match="'a' appears twice"):
        Supervisor("root", [inner, *family(journal, "a")])


@pytest.mark.promise(id="SEM-425")
def test_strategies_and_policies_are_taken_in_any_case() -> None:
    spec = Supervisor("root", strategy="ONE_FOR_ALL", backoff="Linear", restart="TRANSIENT")
    assert (spec.strategy, spec.restart) == ("one_for_all", "transient")
    assert spec.limits.backoff == "linear"


@pytest.mark.promise(id="SEM-121")
def test_a_subclass_that_forgets_super_init_is_told_so() -> None:
    class Forgot(AgentProcess):
        def __init__(self) -> None:
            pass

    with pytest.raises(ConfigurationError, match=r"Forgot.__init__ must call super"):
        Supervisor("root", [Forgot()])
