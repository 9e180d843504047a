"""The spans of one trace, each below the one that it is part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

from civitas.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["SpanNode", "failure_of", "nested", "trace_id_of"]


@dataclass(slots=True)
class SpanNode:
    """A span and those that are part of it."""

    span: ReadableSpan
    children: list[SpanNode] = field(default_factory=list)

    @property
    def start(self) -> int:
        """When it began, in unix nanoseconds."""
        return self.span.start_time or 0

    @property
    def end(self) -> int:
        """When it ended, in unix nanoseconds."""
        return max(self.span.end_time or 0, self.start)

    @property
    def failed(self) -> bool:
        """Whether it is marked so."""
        return self.span.status.status_code is StatusCode.ERROR


def nested(spans: Sequence[ReadableSpan]) -> list[SpanNode]:
    """Put each span below its parent; those whose parent is not there stand at the top."""
    nodes = {_id(span): SpanNode(span) for span in spans}
    roots: list[SpanNode] = []
    for node in sorted(nodes.values(), key=lambda node: (node.start, -node.end)):
        parent = node.span.parent
        above = nodes.get(parent.span_id) if parent is not None else None
        (roots if above is None else above.children).append(node)
    return roots


def failure_of(node: SpanNode) -> str:
    """Why a span failed, on one line; empty if it did not, or if one below it says the same."""
    if not node.failed:
        return ""
    attributes = node.span.attributes or {}
    text = node.span.status.description or str(attributes.get(names.ERROR_TYPE, "failed"))
    text = text.strip().split("\n", 1)[0]
    # What a child says already is not said again: the child is where it happened.
    return "" if any(failure_of(child) == text for child in node.children) else text


def trace_id_of(span: ReadableSpan) -> int:
    """The id of the trace that a span belongs to."""
    context: Any = span.get_span_context()
    return int(context.trace_id)


def _id(span: ReadableSpan) -> int:
    context: Any = span.get_span_context()
    return int(context.span_id)
