"""Log records say which agent, process, conversation and trace they come from."""

from __future__ import annotations

import logging
from io import StringIO

import pytest
from opentelemetry import trace

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.telemetry import names
from civitas.telemetry.logs import SPAN_ID, TRACE_ID
from civitas.telemetry.readable import ReadableFormatter
from tests.core.support import Actor, Journal, crash
from tests.core.telemetry.support import Recorded

CAME = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"}
own = logging.getLogger("shop")


class Logs(AgentProcess):
    """Logs from the loop, or from a thread."""

    async def handle(self, message: Message) -> Message:
        own.warning("from the %s", message.payload)
        return self.reply(format(trace.get_current_span().get_span_context().span_id, "016x"))


class LogsFromThread(AgentProcess):
    def handle(self, message: Message) -> Message:  # type: ignore[override]
        own.warning("from the %s", message.payload, extra={"agent": "extras of others stay"})
        return self.reply(None)


def said(caplog: pytest.LogCaptureFixture, text: str) -> logging.LogRecord:
    return next(record for record in caplog.records if record.message == text)


@pytest.mark.promise(id="SEM-1710")
async def test_a_record_has_the_agent_the_process_the_conversation_and_the_trace(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(monkeypatch)
    async with Runtime(Supervisor("root", [Logs("a")])) as runtime:
        reply = await runtime.ask("a", "loop", conversation="user-42")
    context = recorded.span("process a").get_span_context()
    assert context is not None
    told = said(caplog, "from the loop").__dict__
    assert told[names.AGENT_NAME] == "a"
    assert told[names.NODE_NAME] == "root"
    assert told[names.CONVERSATION] == "user-42"
    assert told[TRACE_ID] == f"{context.trace_id:032x}"
    assert told[SPAN_ID] == reply.payload


@pytest.mark.promise(id="SEM-1710")
async def test_a_record_has_the_trace_that_came_where_nothing_is_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Runtime(Supervisor("root", [LogsFromThread("a")])) as runtime:
        await runtime.ask("a", "thread", headers=CAME)
    told = said(caplog, "from the thread").__dict__
    assert told[names.AGENT_NAME] == "a"
    assert told[TRACE_ID] == "0af7651916cd43dd8448eb211c80319c"
    assert told["agent"] == "extras of others stay"


async def test_a_record_of_other_code_says_nothing_of_agents(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Runtime(Supervisor("root", [Logs("a")])) as runtime:
        await runtime.ask("a", "loop")
        own.warning("from elsewhere")
    assert names.AGENT_NAME not in said(caplog, "from elsewhere").__dict__


@pytest.mark.promise(id="SEM-1710")
async def test_the_report_of_a_crash_is_about_the_agent_that_crashed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(monkeypatch)
    journal = Journal()
    async with Runtime(Supervisor("root", [Actor("a", journal)], backoff="none")) as runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
    (report,) = [each for each in caplog.records if "child_terminated" in each.message]
    context = recorded.span("process a").get_span_context()
    assert context is not None
    assert report.__dict__[names.AGENT_NAME] == "a"
    assert report.__dict__[TRACE_ID] == f"{context.trace_id:032x}"


@pytest.mark.promise(id="SEM-1710")
async def test_what_a_process_writes_says_it_behind_the_first_line() -> None:
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(ReadableFormatter("%(levelname)s %(name)s: %(message)s"))
    own.addHandler(handler)
    try:
        async with Runtime(Supervisor("root", [Logs("a")])) as runtime:
            await runtime.ask("a", "loop\nand more", conversation="u", headers=CAME)
    finally:
        own.removeHandler(handler)
    assert text.getvalue() == (
        "WARNING shop: from the loop (agent a, conversation u, process root, "
        "trace 0af7651916cd43dd8448eb211c80319c)\nand more\n"
    )
