"""Who else makes spans for what a framework does: the instrumentations of OpenTelemetry and of others.

Nearly all of them rest on one class of OpenTelemetry's, which knows whether they are on, and what they instrument.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["told_by_others"]

_MODULE = "opentelemetry.instrumentation.instrumentor"

_TELL: Mapping[str, frozenset[str]] = {
    # It leaves the calls of models to an instrumentation of their client.
    "opentelemetry.instrumentation.genai.openai_agents": frozenset(
        {"invoke_agent", "execute_tool"}
    ),
    # It leaves out nodes.
    "opentelemetry.instrumentation.genai.langchain": frozenset(
        {"chat", "execute_tool", "invoke_agent", "invoke_workflow"}
    ),
}
"""Which operations they tell, of those that do not tell everything; by their package."""

_ALL = frozenset({"*"})
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def told_by_others(packages: Iterable[str]) -> frozenset[str]:
    """The operations of a framework that instrumentations tell which are on now; ``*`` for all of them.

    Args:
        packages: The distributions of the framework.
    """
    module = sys.modules.get(_MODULE)
    if module is None:
        return frozenset()
    wanted = set(map(_plain, packages))
    told: set[str] = set()
    for kind in _below(module.BaseInstrumentor):
        one = kind._instance
        if one is not None and one.is_instrumented_by_opentelemetry and wanted & _packages(one):
            told |= _TELL.get(kind.__module__, _ALL)
    return frozenset(told)


def _below(kind: Any) -> Iterable[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _packages(instrumentor: Any) -> set[str]:
    """The distributions that it instruments."""
    return {
        _plain(found.group())
        for each in instrumentor.instrumentation_dependencies()
        if (found := _NAME.match(each)) is not None
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
