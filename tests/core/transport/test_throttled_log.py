"""Lines of log that strangers cause."""

from __future__ import annotations

import logging

import pytest

from civitas.transport.throttled_log import ThrottledLog


@pytest.mark.promise(id="SEM-1177")
def test_the_first_is_logged_at_once_then_a_line_a_minute_with_how_many_there_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    seldom = ThrottledLog(logging.getLogger("civitas"), now=lambda: now)
    for n in range(180_001):
        now = n / 1000
        seldom.warn("number %d", n)
    told = ["number 0"]
    for n in (60_000, 120_000, 180_000):
        told += ["... and 59999 more of this kind", f"number {n}"]
    assert caplog.messages == told
    seldom.close()
    assert caplog.messages == told
    seldom.warn("another")
    seldom.close()
    assert caplog.messages[-1] == "... and 1 more of this kind"
