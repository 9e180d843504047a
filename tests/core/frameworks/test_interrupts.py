"""Runs that wait for a human, and the answers."""

from __future__ import annotations

import pytest

from civitas.errors import (
    HandlerFailed,
    UnknownInterrupt,
)
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.frameworks.support import restarts, running

# Interrupts.


@pytest.mark.promise(id="SEM-965")
async def test_a_run_that_waits_for_a_human_answers_with_its_questions():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        reply = await runtime.ask("m", ["ask"], conversation="c1")
        alone = await runtime.ask("m", ["ask"])
    assert (reply.type, reply.conversation) == ("interrupt", "c1")
    assert reply.payload == {"interrupts": [{"id": "0", "value": "sure?"}]}
    assert alone.conversation


@pytest.mark.promise(id="SEM-965")
@pytest.mark.parametrize(
    "payload", [{"value": "yes"}, {"id": "1", "value": "yes"}, {"values": {"1": "yes"}}]
)
async def test_the_answer_goes_on_with_the_run_also_in_another_process(payload):
    store = InMemoryStateStore()
    root = Supervisor("root", [MachineAgent("m", machine=Machine())])
    async with Runtime(root, state_store=store) as runtime:
        asked = await runtime.ask("m", ["a", "ask", "b"])
    root = Supervisor("root", [MachineAgent("m", machine=Machine())])
    async with Runtime(root, state_store=store) as runtime:
        reply = await runtime.ask("m", payload, "resume", conversation=asked.conversation)
    assert (reply.type, reply.payload["done"]) == ("reply", ["A", "yes", "B"])


@pytest.mark.promise(id="SEM-965")
async def test_a_run_may_ask_again():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask", "ask"], conversation="c")
        again = await runtime.ask("m", {"value": 1}, "resume", conversation="c")
        assert again.payload["interrupts"][0]["id"] == "1"
        reply = await runtime.ask("m", {"value": 2}, "resume", conversation="c")
    assert reply.payload["done"] == [1, 2]


@pytest.mark.promise(id="SEM-966")
@pytest.mark.parametrize(
    ("payload", "conversation", "words"),
    [
        ({"value": 1, "id": "7"}, "c", "no open interrupt '7'.* Open: 0"),
        ({"values": {"7": 1}}, "c", "no open interrupt '7'"),
        ({"value": 1}, "other", "no open interrupt in conversation 'other'"),
        ({"value": 1}, None, "pass on the conversation of the interrupt"),
    ],
)
async def test_an_answer_to_a_question_nobody_asked_is_an_error_and_the_agent_lives(
    payload, conversation, words
):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask"], conversation="c")
        with pytest.raises(UnknownInterrupt, match=words):
            await runtime.ask("m", payload, "resume", conversation=conversation)
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-966")
async def test_a_question_is_answered_once():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask"], conversation="c")
        await runtime.ask("m", {"value": 1}, "resume", conversation="c")
        with pytest.raises(UnknownInterrupt, match="answered already"):
            await runtime.ask("m", {"value": 1}, "resume", conversation="c")


@pytest.mark.promise(id="SEM-966")
async def test_a_new_message_leaves_an_open_question_behind():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask"], conversation="c")
        await runtime.ask("m", ["a"], conversation="c")
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("m", {"value": 1}, "resume", conversation="c")


@pytest.mark.parametrize(
    "payload", [None, {}, {"valeu": 1}, {"id": "0"}, {"value": 1, "values": {}}, {"values": []}]
)
async def test_an_answer_of_another_shape_is_refused_with_what_is_accepted(payload):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["ask"], conversation="c")
        with pytest.raises(HandlerFailed, match="a resume takes") as failed:
            await runtime.ask("m", payload, "resume", conversation="c")
        assert failed.value.error_type == "PayloadError"
