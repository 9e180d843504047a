"""Counters and histograms, through a real SDK meter provider."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider

from civitas.telemetry import Metrics, names
from tests.core.telemetry.support import Metered


def test_without_a_meter_provider_nothing_is_active(monkeypatch):
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", None)
    meters = Metrics()
    meters.refresh()
    assert not meters.active


def test_a_no_op_meter_provider_is_not_active(monkeypatch):
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", metrics.NoOpMeterProvider())
    meters = Metrics()
    meters.refresh()
    assert not meters.active


def test_a_provider_of_the_application_is_used_whatever_its_class_is_called(monkeypatch):
    own = type("_ProxyMeterProvider", (MeterProvider,), {})()
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", own)
    meters = Metrics()
    meters.refresh()
    assert meters.active
    own.shutdown()


def test_what_happens_is_counted_by_agent_and_reason(monkeypatch):
    metered = Metered(monkeypatch)
    meters = Metrics()
    meters.refresh()
    assert meters.active
    meters.crashed("agent", "ValueError")
    meters.crashed("agent", "ValueError")
    meters.restarted("agent")
    meters.gave_up("root")
    meters.dead_letter("agent", "expired")
    meters.dead_letter("agent", "crashed")
    points = metered.points()
    assert points[names.CRASHES] == [
        ({names.AGENT_NAME: "agent", names.ERROR_TYPE: "ValueError"}, 2)
    ]
    assert points[names.RESTARTS] == [({names.AGENT_NAME: "agent"}, 1)]
    assert points[names.GAVE_UPS] == [({names.AGENT_NAME: "root"}, 1)]
    assert {(a[names.DEAD_LETTER_REASON], n) for a, n in points[names.DEAD_LETTERS]} == {
        ("expired", 1),
        ("crashed", 1),
    }


def test_handled_messages_are_counted_and_timed(monkeypatch):
    metered = Metered(monkeypatch)
    meters = Metrics()
    meters.refresh()
    meters.processed("agent", 0.002)
    meters.processed("agent", 0.004)
    meters.processed("agent", 0.1, "ValueError")
    points = metered.points()
    for name in (names.PROCESSED, names.PROCESS_DURATION):
        assert {(a.get(names.ERROR_TYPE), n) for a, n in points[name]} == {
            (None, 2),
            ("ValueError", 1),
        }
        assert all(a[names.DESTINATION] == "agent" for a, _ in points[name])
