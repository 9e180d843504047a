"""The SDK's tracing: kept in this process, and led into the run's spans where those are recorded.

The SDK has one list of trace processors for the whole process, and puts one on it by itself that exports every trace,
prompts included, to its vendor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from agents.tracing import (
    add_trace_processor,
    get_trace_provider,
    set_trace_processors,
)
from agents.tracing.processors import default_exporter, default_processor

if TYPE_CHECKING:
    from agents.models.interface import Model

    from civitas.frameworks import Run
    from civitas.frameworks.spans import SpanTree
    from civitas_openai._spans import TracedCall

__all__ = ["bridged", "keep_traces_private", "spanned"]

_looked = False


def keep_traces_private() -> None:
    """Take the vendor's exporter off the SDK's list of trace processors, unless the user asked for it.

    Asking for it is `set_tracing_export_api_key(...)`, or ``OPENAI_AGENTS_DISABLE_TRACING=0`` in the environment.
    Processors of the user's own stay. Looks once per process, at the first run: whoever puts the exporter back later
    means it.
    """
    global _looked
    if _looked:
        return
    _looked = True
    if os.environ.get("OPENAI_AGENTS_DISABLE_TRACING", "").lower() in ("0", "false"):
        return
    # A key from the environment was given for the model, not for this.
    key = getattr(default_exporter(), "_api_key", None)
    if key and key != os.environ.get("OPENAI_API_KEY"):
        return
    installed = _processors()
    if installed is not None and (vendors := default_processor()) in installed:
        set_trace_processors([each for each in installed if each is not vendors])


@contextmanager
def bridged(tree: SpanTree | None) -> Iterator[None]:
    """Inside, what the SDK traces in this context becomes spans of `tree`; None for nothing at all."""
    if tree is None:
        yield
        return
    from civitas_openai._spans import BRIDGE, current_tree

    installed = _processors()
    if installed is None or BRIDGE not in installed:
        add_trace_processor(BRIDGE)
    token = current_tree.set(tree)
    try:
        yield
    finally:
        current_tree.reset(token)


def spanned(
    run: Run, model: Model, instructions: str | None, input: Any, *, private: bool
) -> AbstractContextManager[TracedCall | None]:
    """The span of one call of `model`, inside the block; None if nobody records any.

    Args:
        run: The run that it is part of.
        model: The model.
        instructions: What it is asked with.
        input: The same.
        private: Whether the user keeps that out of the SDK's traces, whatever else is recorded.
    """
    if run.spans is None:
        return nullcontext()
    from civitas_openai._spans import calling_model

    return calling_model(model, instructions, input, private=private)


def _processors() -> tuple[Any, ...] | None:
    """The processors the SDK has; None if the user has a trace provider of another kind."""
    # There is no public way to look.
    several = getattr(get_trace_provider(), "_multi_processor", None)
    processors: tuple[Any, ...] | None = getattr(several, "_processors", None)
    return processors
