"""What CrewAI does to a process beside running crews, and how to avoid it.

Left alone, importing CrewAI contacts its vendor, takes over the signals by which a process is stopped (one ended by
SIGTERM would report success), and replaces `warnings.warn`.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import warnings

__all__ = ["after_import", "before_import"]

_SWITCHES = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
}


def before_import() -> None:
    """Set CrewAI's and LiteLLM's switches for staying private, those that the environment does not set already."""
    for variable, value in _SWITCHES.items():
        os.environ.setdefault(variable, value)


def after_import() -> None:
    """Undo what an import of CrewAI left behind, in case it came before `before_import`."""
    warn = warnings.warn
    if getattr(warn, "__module__", None) == "crewai":
        warnings.warn = inspect.getclosurevars(warn).nonlocals.get("original_warn", warn)
    if os.environ["CREWAI_DISABLE_TELEMETRY"].lower() == "true":
        _restore_signals()


def _restore_signals() -> None:
    telemetry = sys.modules.get("crewai.telemetry.telemetry")
    instance = getattr(getattr(telemetry, "Telemetry", None), "_instance", None)
    for number, original in getattr(instance, "_original_handlers", {}).items():
        handler = signal.getsignal(number)
        if getattr(handler, "__module__", None) == "crewai.telemetry.telemetry":
            try:
                signal.signal(number, original)
            except ValueError:
                return  # not the main thread: signals cannot be set from here
