"""The last export of an OS process: what takes it, and for how long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

__all__ = ["Flushable", "flush"]

logger = logging.getLogger("civitas")


class Flushable(Protocol):
    """A provider of OpenTelemetry."""

    def force_flush(self, timeout_millis: int = ...) -> bool:
        """Export what is waiting."""


_unreachable: set[int] = set()
"""The providers whose last export did not end in time: they are not waited for again."""


def flush(providers: Sequence[Flushable], timeout: float) -> bool:
    """Let each of `providers` export what is waiting, all at once; blocks up to `timeout` seconds.

    An exporter whose collector is gone tries again for longer than it was told to; that goes on in a thread that keeps
    nobody from ending.

    Returns:
        Whether all of it went out.
    """
    out: dict[int, bool] = {}

    def work(provider: Flushable) -> None:
        try:
            out[id(provider)] = provider.force_flush(int(timeout * 1000))
        except Exception as error:
            logger.warning("telemetry could not be exported: %s: %s", type(error).__name__, error)

    threads = []
    for provider in providers:
        if id(provider) not in _unreachable:
            thread = threading.Thread(
                target=work, args=(provider,), name="civitas-telemetry", daemon=True
            )
            thread.start()
            threads.append((provider, thread))
    until = time.monotonic() + timeout
    for provider, thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            _unreachable.add(id(provider))
    if any(thread.is_alive() for _, thread in threads):
        logger.warning(
            "the telemetry collector did not take what was waiting within %g s; that is lost. Check "
            "OTEL_EXPORTER_OTLP_ENDPOINT, or unset it",
            timeout,
        )
    return all(out.get(id(provider), False) for provider in providers)
