"""Headers between sender and receiver: as the propagators of OpenTelemetry write and read them, only quicker."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from civitas.telemetry.propagation import Propagation

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7


def span(
    flags: int = 1, trace_id: int = TRACE, state: TraceState | None = None
) -> NonRecordingSpan:
    return NonRecordingSpan(SpanContext(trace_id, SPAN, False, TraceFlags(flags), state))


def theirs(of: NonRecordingSpan) -> dict[str, str]:
    headers: dict[str, str] = {}
    propagate.inject(headers, set_span_in_context(of))
    return headers


@pytest.mark.parametrize("flags", [0, 1, 3])
def test_the_header_is_the_one_that_opentelemetry_writes(flags):
    headers = Propagation().inject(span(flags))
    assert headers == theirs(span(flags))
    assert headers["traceparent"].startswith(
        "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-"
    )


def test_trace_state_and_baggage_go_along():
    state = TraceState([("vendor", "value")])
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        headers = Propagation().inject(span(state=state))
    finally:
        context.detach(token)
    assert headers["tracestate"] == "vendor=value"
    assert headers["baggage"] == "tenant=acme"
    found = Propagation().extract(headers)
    assert get_current_span(found).get_span_context().trace_state == state
    assert baggage.get_baggage("tenant", found) == "acme"


def test_a_span_that_is_none_leaves_no_header():
    assert Propagation().inject(INVALID_SPAN) == {}


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE:032x}-{SPAN:016x}-01",
        f"00-{TRACE:032x}-{SPAN:016x}-00",
        f" 00-{TRACE:032x}-{SPAN:016x}-01 ",
        f"01-{TRACE:032x}-{SPAN:016x}-01-more",
        f"ff-{TRACE:032x}-{SPAN:016x}-01",
        f"00-{TRACE:032X}-{SPAN:016x}-01",
        f"00-{'0' * 32}-{SPAN:016x}-01",
        f"00-{TRACE:032x}-{'0' * 16}-01",
        f"00-{TRACE:031x}_-{SPAN:016x}-01",
        "nonsense",
        "",
    ],
)
def test_a_header_is_read_as_opentelemetry_reads_it(traceparent):
    headers = {"traceparent": traceparent}
    ours = get_current_span(Propagation().extract(headers)).get_span_context()
    assert ours == get_current_span(propagate.extract(headers)).get_span_context()
    assert (
        ours.is_remote == get_current_span(propagate.extract(headers)).get_span_context().is_remote
    )


@pytest.mark.parametrize("flags", [0, 1, 3])
def test_a_header_just_written_is_read_as_opentelemetry_reads_it(flags):
    propagation = Propagation()
    first, second = (propagation.inject(span(flags, trace_id)) for trace_id in (TRACE, TRACE + 1))
    for headers in (second, first, {"other": "1"}):
        ours = get_current_span(propagation.extract(headers)).get_span_context()
        opentelemetrys = get_current_span(propagate.extract(headers)).get_span_context()
        assert tuple(ours) == tuple(opentelemetrys)


def test_no_headers_are_an_empty_context_whatever_is_current():
    token = context.attach(set_span_in_context(span()))
    try:
        assert dict(Propagation().extract({})) == {}
    finally:
        context.detach(token)


class Shouting(TextMapPropagator):
    """Another format."""

    def inject(self, carrier, context=None, setter=None):
        carrier["x-loud"] = "TRACE"

    def extract(self, carrier, context=None, getter=None):
        return {"loud": carrier.get("x-loud")}

    @property
    def fields(self):
        return {"x-loud"}


@pytest.mark.parametrize("before", [True, False], ids=["set before", "set later"])
def test_another_propagator_is_the_one_that_is_used(monkeypatch, before):
    early = None if before else Propagation()
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Shouting())
    propagation = early or Propagation()
    assert propagation.inject(span()) == {"x-loud": "TRACE"}
    assert propagation.extract({"x-loud": "TRACE"}) == {"loud": "TRACE"}


def test_a_propagator_without_baggage_is_used_as_it_is(monkeypatch):
    only = CompositePropagator([TraceContextTextMapPropagator()])
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", only)
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        assert set(Propagation().inject(span())) == {"traceparent"}
    finally:
        context.detach(token)
