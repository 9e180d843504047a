"""`FrameworkAgent`, with a framework of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    AskTimeout,
    ConfigurationError,
    HandlerFailed,
    PayloadError,
    StartFailed,
)
from civitas.frameworks import AgentKeywords, idempotency_key
from civitas.process import AgentProcess
from civitas.process.failures import dump_error, load_error
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool, Supervisor
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.frameworks.support import restarts, running
from tests.core.support import keys_beside_runs


async def chunks(runtime: Runtime, orders: list[str]) -> list[tuple[str, Any]]:
    async with contextlib.aclosing(runtime.stream("m", orders)) as stream:
        return [(each.type, each.payload) async for each in stream]


@pytest.mark.promise(id="SEM-961")
async def test_the_reply_is_what_the_framework_returned():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        reply = await runtime.ask("m", ["go"])
    assert (reply.type, reply.payload) == ("reply", {"done": ["GO"], "before": []})


@pytest.mark.promise(id="SEM-962")
async def test_the_frameworks_exception_reaches_the_asker_by_name_and_the_agent_lives():
    async with running(MachineAgent("m", machine=Machine(fail=[KeyError("broken")]))) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["fail"])
        assert failed.value.error_type == "KeyError"
        await runtime.ask("m", ["go"])
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-1587")
async def test_an_agent_whose_framework_has_no_run_options_refuses_those_of_a_message():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed, match="config: a MachineAgent takes none"):
            await runtime.ask("m", ["go"], config={"tags": ["a"]})
        await runtime.ask("m", ["go"])
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-1081")
async def test_bad_requests_one_after_the_other_take_nobody_down():
    bad = MachineAgent("m", machine=Machine(fail=[KeyError("broken")] * 9))
    async with running(bad, MachineAgent("good", machine=Machine())) as runtime:
        for _ in range(9):
            with pytest.raises(HandlerFailed):
                await runtime.ask("m", ["fail"])
            await runtime.ask("good", ["go"])
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-1082")
async def test_what_says_that_the_process_is_unsound_crashes_the_agent():
    async with running(MachineAgent("m", machine=Machine(fail=[MemoryError()]))) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["fail"])
        assert failed.value.error_type == "MemoryError"
        await runtime.ask("m", ["go"])
        assert restarts(runtime) == 1


@pytest.mark.promise(id="SEM-961")
async def test_a_refused_payload_fails_the_ask_and_not_the_agent():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed, match="it takes a list") as failed:
            await runtime.ask("m", {"odrer": "go"})
        assert failed.value.error_type == PayloadError.__name__
        assert failed.value.refused
        elsewhere = load_error(dump_error(failed.value))
        assert isinstance(elsewhere, HandlerFailed)
        assert elsewhere.refused
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-962")
async def test_a_function_builds_a_fresh_object_for_each_incarnation():
    built: list[Machine] = []

    def build() -> Machine:
        built.append(Machine(fail=[MemoryError()]))
        return built[-1]

    async with running(MachineAgent("m", machine=build)) as runtime:
        await runtime.ask("m", ["go"])
        await runtime.ask("m", ["go"])
        with pytest.raises(HandlerFailed):
            await runtime.ask("m", ["fail"])
        await runtime.ask("m", ["go"])
    assert [each.did for each in built] == [["go", "go", "fail"], ["go"]]


async def test_an_object_that_is_not_the_frameworks_is_refused_when_the_agent_is_made():
    with pytest.raises(ConfigurationError, match=r"machine must be a Machine.*got 'robot'"):
        MachineAgent("m", machine="robot")  # type: ignore[arg-type]


async def test_a_function_that_builds_something_else_is_a_failed_start():
    with pytest.raises(StartFailed, match="machine must be a Machine"):
        async with running(MachineAgent("m", machine=dict)):  # type: ignore[arg-type]
            pass


async def test_a_keyword_that_nobody_takes_is_an_error_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"takes no 'machin_e'; did you mean 'machine'\?"):
        MachineAgent("m", machine=Machine(), machin_e=1)  # type: ignore[call-arg]


@pytest.mark.promise(id="SEM-973")
async def test_an_ask_that_times_out_cancels_the_run():
    machine = Machine()
    async with running(MachineAgent("m", machine=machine)) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("m", ["hang"], timeout=0.05)
        await asyncio.wait_for(machine.cancelled.wait(), 5)
        assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]


def test_the_keywords_for_type_checkers_are_those_of_every_agent():
    import inspect

    parameters = list(inspect.signature(AgentProcess.__init__).parameters)[2:]
    assert parameters == list(AgentKeywords.__annotations__)


# Spans.


async def test_a_run_has_a_span_below_that_of_its_message(spans):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["go"], conversation="c1")
    assert spans.outline() == ["send m", "  process m", "    invoke_workflow m"]
    assert spans.attributes("invoke_workflow m")["gen_ai.conversation.id"] == "c1"


async def test_an_interrupted_run_is_marked_and_is_no_error(spans):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask"])
    assert spans.attributes("invoke_workflow m")["civitas.interrupted"] is True
    assert all(span.status.is_unset for span in spans.all())


# Conversations.


@pytest.mark.promise(id="SEM-963")
async def test_what_is_kept_of_a_conversation_is_there_for_its_next_message_alone():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["a"], conversation="1")
        assert (await runtime.ask("m", ["b"], conversation="1")).payload["before"] == ["A"]
        assert (await runtime.ask("m", ["c"], conversation="2")).payload["before"] == []
        assert (await runtime.ask("m", ["d"])).payload["before"] == []
        assert (await runtime.ask("m", ["e"])).payload["before"] == []


@pytest.mark.promise(id="SEM-964")
async def test_a_run_that_fails_leaves_no_trace_in_its_conversation():
    machine = Machine(fail=[KeyError()])
    async with running(MachineAgent("m", machine=machine)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("m", ["a", "fail"], conversation="1")
        assert (await runtime.ask("m", ["b"], conversation="1")).payload["before"] == []


@pytest.mark.promise(id="SEM-963")
async def test_the_processes_of_a_pool_share_what_is_kept_of_a_conversation_over_a_restart():
    store = InMemoryStateStore()

    def system() -> Runtime:
        pool = ConversationPool("m", MachineAgent("m", machine=Machine()))
        return Runtime(Supervisor("root", [pool]), state_store=store)

    async with system() as runtime:
        await runtime.ask("m", ["a"], conversation="1")
    async with system() as runtime:
        assert (await runtime.ask("m", ["b"], conversation="1")).payload["before"] == ["A"]
    assert await store.keys("civitas:conversation:") == ["civitas:conversation:m/1"]


# Durable runs.


@pytest.mark.promise(id="SEM-967")
async def test_a_durable_run_goes_on_from_what_is_finished():
    machine = Machine(b=[RuntimeError("once")])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        reply = await runtime.ask("m", ["a", "b", "c"])
        assert restarts(runtime) == 0
    assert reply.payload["done"] == ["A", "B", "C"]
    assert machine.did == ["a", "b", "b", "c"]


@pytest.mark.promise(id="SEM-967")
async def test_a_durable_run_goes_on_in_a_fresh_incarnation_after_a_crash():
    machine = Machine(b=[MemoryError()])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        reply = await runtime.ask("m", ["a", "b", "c"])
        assert restarts(runtime) == 1
    assert reply.payload["done"] == ["A", "B", "C"]
    assert machine.did == ["a", "b", "b", "c"]


@pytest.mark.promise(id="SEM-1083")
async def test_what_would_fail_again_is_told_at_once_and_not_tried_again():
    machine = Machine(b=[KeyError("always")] * 9)
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a", "b"])
        assert failed.value.error_type == "KeyError"
        assert (restarts(runtime), machine.did) == (0, ["a", "b"])


@pytest.mark.promise(id="SEM-1083")
async def test_what_nobody_knows_is_told_after_max_retries_and_costs_no_restart():
    machine = Machine(a=[RuntimeError("always")] * 9)
    agent = MachineAgent("m", machine=machine, durable=True, max_retries=2)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a"])
        assert failed.value.error_type == "RuntimeError"
        assert (restarts(runtime), machine.did) == (0, ["a"] * 3)


@pytest.mark.promise(id="SEM-1083")
async def test_a_run_that_is_not_durable_begins_anew_where_its_message_is_to_be_handled_at_least_once():
    machine = Machine(b=[RuntimeError("once")])
    agent = MachineAgent("m", machine=machine, delivery="at_least_once")
    async with running(agent) as runtime:
        await runtime.ask("m", ["a", "b"])
        assert (restarts(runtime), machine.did) == (0, ["a", "b", "a", "b"])


@pytest.mark.promise(id="SEM-967")
async def test_a_call_that_is_made_again_has_the_same_idempotency_key():
    machine = Machine(b=[RuntimeError("once")])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        await runtime.ask("m", ["a", "b"])
    assert machine.keys[1] == machine.keys[2] != machine.keys[0]


async def test_outside_of_a_run_there_is_no_idempotency_key():
    with pytest.raises(ConfigurationError, match="idempotency_key"):
        idempotency_key()


@pytest.mark.promise(id="SEM-968")
async def test_the_stream_of_a_durable_run_repeats_nothing():
    machine = Machine(b=[RuntimeError("once")])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        said = await chunks(runtime, ["a", "b"])
    assert said == [
        ("step", {"name": "a"}),
        ("token", {"text": "A"}),
        ("step", {"name": "b"}),
        ("token", {"text": "B"}),
        ("reply", {"done": ["A", "B"], "before": []}),
    ]


@pytest.mark.promise(id="SEM-969")
async def test_what_a_durable_run_did_is_forgotten_when_its_message_is_finished():
    store = InMemoryStateStore()
    root = Supervisor("root", [MachineAgent("m", machine=Machine(), durable=True)])
    async with Runtime(root, state_store=store) as runtime:
        await runtime.ask("m", ["a", "b"])
    assert await keys_beside_runs(store) == []


async def test_durable_implies_at_least_once_and_refuses_the_opposite():
    with pytest.raises(ConfigurationError, match="durable=True needs delivery='durable'"):
        MachineAgent("m", machine=Machine(), durable=True, delivery="at_most_once")


# A stop while a run is on.


@pytest.mark.promise(id="SEM-974")
async def test_a_run_that_can_stops_at_its_next_step_when_its_agent_is_stopped():
    machine = Machine()
    async with running(MachineAgent("m", machine=machine)) as runtime:
        asking = asyncio.create_task(runtime.ask("m", ["hang", "never"]))
        await machine.began.wait()
        stopping = asyncio.create_task(runtime.terminate_child("root", "m"))
        while not machine.draining:
            await asyncio.sleep(0)
        machine.go_on.set()
        await stopping
        with pytest.raises(AgentTerminated):
            await asking
    assert machine.did == ["hang"]


class Blocking(MachineAgent):
    """Its framework blocks a thread."""

    let_go = threading.Event()

    async def _do(self, order: str) -> str:
        self.subject.began.set()
        await asyncio.to_thread(self.let_go.wait, 10)
        return order


@pytest.mark.promise(id="SEM-973")
async def test_a_cancelled_run_says_that_its_blocking_calls_go_on(caplog):
    machine = Machine()
    async with running(Blocking("m", machine=machine)) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("m", ["block"], timeout=0.1)
        while "blocking calls of it go on in threads (1)" not in caplog.text:
            await asyncio.sleep(0)
        Blocking.let_go.set()
