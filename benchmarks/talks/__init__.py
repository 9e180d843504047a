"""Conversations with one framework each, kept by Civitas and by what people use without it."""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks.talks.parts import Kinds, Talk, Talking, text

__all__ = ["TALKS", "Kinds", "Talk", "Talking", "text"]

TALKS: dict[str, dict[str, Kinds]] = {}
"""By framework and contestant: how to talk in `turns`, in one run of many `steps`, and in turns that are `spread`
over OS processes."""

if find_spec("langgraph.checkpoint.sqlite"):
    from benchmarks.talks import graphs

    TALKS["langgraph"] = graphs.CONTESTANTS
if find_spec("agents"):
    from benchmarks.talks import assistants

    TALKS["openai"] = assistants.CONTESTANTS
