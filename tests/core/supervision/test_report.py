"""What a supervisor writes into the log."""

from __future__ import annotations

import asyncio

import pytest

from civitas.errors import HandlerFailed, StartFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, Supervisor
from civitas.telemetry.readable import ReadableFormatter
from tests.core.support import Actor, Journal


@pytest.mark.promise(id="SEM-427")
async def test_a_crash_is_a_record_of_the_supervisors_own_logger_with_four_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", Journal())])) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", {}, "crash")
    (record,) = [each for each in caplog.records if each.name == "civitas.supervision"]
    first = record.getMessage().partition("\n")[0]
    assert first.startswith(
        "supervisor=root errorContext=child_terminated offender=a reason=crashed"
    )
    assert "a crashes" in first


class Breaks(AgentProcess):
    async def handle(self, message: Message) -> None:
        raise ValueError("a\nb\x1b[31m\u202e")


@pytest.mark.promise(id="SEM-1167")
async def test_neither_a_conversation_nor_an_error_begins_a_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = ConversationPool("pool", Breaks("each"))
    async with Runtime(Supervisor("root", [pool])) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("pool", {}, conversation="x\nERROR root: forged\x1b[2J\u202e")
    (record,) = [each for each in caplog.records if each.name == "civitas.supervision"]
    first = record.getMessage().partition("\n")[0]
    assert r"offender=pool/x\nERROR root: forged\x1b[2J\u202e reason=crashed" in first
    assert first.endswith(r"ValueError: a\nb\x1b[31m\u202e")
    text = ReadableFormatter().format(record)
    assert "\n" in text  # of the traceback
    assert all(line.isprintable() for line in text.split("\n"))


class SaysMuch(AgentProcess):
    async def handle(self, message: Message) -> None:
        raise ValueError(f"begin {1_000_000 * 'x'} end")


@pytest.mark.promise(id="SEM-1788")
async def test_of_an_error_without_end_the_log_the_timeline_and_whoever_looks_get_its_two_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Runtime(Supervisor("root", [SaysMuch("a")])) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", {})
        while not (crashes := [each for each in runtime.timeline() if each.type == "crashed"]):
            await asyncio.sleep(0)
        (error,) = (await runtime.inspect("a"))["errors"]
    (record,) = [each for each in caplog.records if each.name == "civitas.supervision"]
    told = [crashes[0].message, error["error"], error["traceback"], record.getMessage()]
    for text in told:
        assert "ValueError: begin xx" in text
        assert "x end" in text
        assert len(text) < 50_000


@pytest.mark.promise(id="SEM-402")
async def test_a_failed_start_is_told_with_its_cause_and_what_to_mend() -> None:
    with pytest.raises(StartFailed) as caught:
        await Runtime(Supervisor("root", [Actor("a", Journal(), fail_starts=1)])).start()
    assert str(caught.value) == (
        "'a' did not start: RuntimeError: cannot start. "
        "Fix its module, its constructor or its on_start"
    )
    assert caught.value.child == "a"
    assert isinstance(caught.value.cause, RuntimeError)
