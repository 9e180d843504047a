"""Whose providers OpenTelemetry has in this OS process: the application's, or Civitas's in the lack of them.

OpenTelemetry takes one provider in the life of a process. An application may set up its own at any time, such as in a
module that is imported with its first agent, and that one counts. So what Civitas installs gives way to it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = [
    "follow",
    "followed",
    "install_meter_provider",
    "install_tracer_provider",
    "is_own",
    "may_have_providers",
    "meter_provider",
    "names_providers",
    "tracer_provider",
    "unfollow",
    "withdraw_tracer_provider",
]

_own: WeakSet[Any] = WeakSet()
"""The providers that Civitas installed."""

_followers: WeakSet[Any] = WeakSet()
"""The span processors that are to be on whichever tracer provider there is."""


def may_have_providers() -> bool:
    """Whether anybody can have installed a provider: not without importing the API."""
    return "opentelemetry.trace" in sys.modules or "opentelemetry.metrics" in sys.modules


def names_providers() -> bool:
    """Whether the environment names a provider, which the API installs when it is asked for one."""
    return "OTEL_PYTHON_TRACER_PROVIDER" in os.environ or "OTEL_PYTHON_METER_PROVIDER" in os.environ


def tracer_provider() -> TracerProvider | None:
    """The tracer provider of this OS process; None if there is none but what the API has for want of one."""
    # Nobody can have installed one without importing the API, unless the environment names it.
    if "opentelemetry.trace" not in sys.modules and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ:
        return None
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

    provider = get_tracer_provider()
    return None if isinstance(provider, ProxyTracerProvider) else provider


def meter_provider() -> MeterProvider | None:
    """The meter provider of this OS process; None if there is none but what the API has for want of one."""
    if (
        "opentelemetry.metrics" not in sys.modules
        and "OTEL_PYTHON_METER_PROVIDER" not in os.environ
    ):
        return None
    from opentelemetry.metrics import get_meter_provider

    provider = get_meter_provider()
    kind = type(provider)  # that of the stand-in is private
    is_stand_in = kind.__name__ == "_ProxyMeterProvider" and kind.__module__.startswith(
        "opentelemetry.metrics."
    )
    return None if is_stand_in else provider


def install_tracer_provider(provider: TracerProvider) -> None:
    """Make `provider` that of the process, until the application sets up its own."""
    from opentelemetry import trace

    trace.set_tracer_provider(provider)
    _own.add(provider)
    _give_way(trace, "_TRACER_PROVIDER_SET_ONCE")


def withdraw_tracer_provider(provider: TracerProvider) -> None:
    """Take back what `install_tracer_provider` installed, unless another has taken its place."""
    from opentelemetry import trace

    if trace.get_tracer_provider() is provider and is_own(provider):
        setattr(trace, "_TRACER_PROVIDER", None)  # noqa: B010 - a private name, where there is one


def install_meter_provider(provider: MeterProvider) -> None:
    """Make `provider` that of the process, until the application sets up its own."""
    from opentelemetry import metrics

    metrics.set_meter_provider(provider)
    _own.add(provider)
    _give_way(sys.modules.get("opentelemetry.metrics._internal"), "_METER_PROVIDER_SET_ONCE")


def _give_way(module: Any, latch: str) -> None:
    """Let the next provider be set as if it were the first; where there is no such latch, it is refused."""
    if (done := getattr(module, latch, None)) is not None:
        setattr(module, latch, type(done)())


def is_own(provider: object) -> bool:
    """Whether Civitas installed this provider."""
    return provider in _own


def follow(processor: Any) -> None:
    """Put a span processor on the tracer provider that there is, and on whichever takes its place."""
    _followers.add(processor)
    followed(tracer_provider())


def unfollow(processor: Any) -> None:
    """Put a span processor on no further tracer provider."""
    _followers.discard(processor)


def followed(provider: Any) -> None:
    """Put the processors of `follow` on a tracer provider that has just been noticed."""
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        return
    there = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
    for each in list(_followers):
        if each not in there:
            add(each)
