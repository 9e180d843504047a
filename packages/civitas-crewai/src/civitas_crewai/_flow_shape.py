"""What a run of a flow relies on, by name: its methods, and what begins each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from civitas.frameworks import Part, fingerprint

if TYPE_CHECKING:
    from crewai.flow.flow import Flow

__all__ = ["flow_shape"]


def flow_shape(flow: Flow[Any]) -> Iterator[Part]:
    """What a run of `flow` relies on."""
    for name, field in getattr(type(flow.state), "model_fields", {}).items():
        yield Part("field of the state", name, value=fingerprint(repr(field.annotation)))
    for name, method in type(flow).flow_definition().methods.items():
        yield Part("method", name)
        begins = {"start": method.start, "listen": method.listen, "router": method.router}
        yield Part("trigger", "", name, fingerprint(begins))
        if (feedback := method.human_feedback) is not None:
            yield Part("outcomes", "", name, fingerprint(list(feedback.emit or ())))
            yield Part("question", "", name, fingerprint(feedback.message), loose=True)
