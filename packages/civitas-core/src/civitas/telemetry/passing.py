"""Trace context and baggage through a process that records nothing: what came with a message goes on."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["passed_on"]

_PASSED = (
    "traceparent",
    "tracestate",
    "baggage",
    # Those of other propagators of OpenTelemetry.
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "uber-trace-id",
    "X-Amzn-Trace-Id",
)


def passed_on(came: Mapping[str, str], given: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The headers of a message that is sent while another one is handled.

    Args:
        came: The headers of the message being handled.
        given: Those that the sender gave; they count for more.
    """
    found = {name: came[name] for name in _PASSED if name in came}
    if not found:
        return given
    if not given:
        return found
    if "traceparent" in given:
        found.pop("tracestate", None)  # it belongs to the other one
    return {**found, **given}
