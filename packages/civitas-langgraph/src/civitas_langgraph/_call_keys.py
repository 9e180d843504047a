"""What names the step of a graph that runs, and each tool call of a `ToolNode`, whenever it runs again."""

from __future__ import annotations

import copy
import functools
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langgraph.config import get_config

from civitas.frameworks import current_run

__all__ = ["key_of_step", "key_tool_calls"]

_KEYED = "civitas_keys_calls"

_call: ContextVar[tuple[str, str] | None] = ContextVar("civitas_tool_call", default=None)
"""The step that makes a tool call, and what names that."""


def key_of_step() -> str | None:
    """Names one visit of one node, or one tool call of it; None if no node runs here."""
    step = _step()
    call = _call.get()
    return call[1] if call is not None and call[0] == step else step


def key_tool_calls() -> None:
    """From now on, each tool call of a `ToolNode` has a key of its own, wherever a graph or a tool runs the node.

    Nothing to do until somebody has imported it: it is a quarter of LangGraph, and many graphs have none.
    """
    kind = getattr(sys.modules.get("langgraph.prebuilt.tool_node"), "ToolNode", None)
    if kind is None or hasattr(kind, _KEYED):
        return
    invoke, ainvoke = kind.invoke, kind.ainvoke

    @functools.wraps(invoke)
    def invoke_keyed(self: Any, *args: Any, **more: Any) -> Any:
        return invoke(_keyed(self), *args, **more)

    @functools.wraps(ainvoke)
    async def ainvoke_keyed(self: Any, *args: Any, **more: Any) -> Any:
        return await ainvoke(_keyed(self), *args, **more)

    kind.invoke, kind.ainvoke = invoke_keyed, ainvoke_keyed
    setattr(kind, _KEYED, True)


def _keyed(node: Any) -> Any:
    """The node for one visit: its calls are told apart by their ids, and by their order if a model repeats one."""
    if current_run.get() is None:
        return node
    made, run, arun = copy.copy(node), node._run_one, node._arun_one
    seen: dict[str, Iterator[int]] = {}

    def run_keyed(call: Any, *rest: Any, **more: Any) -> Any:
        with _making(str(call["id"]), seen):
            return run(call, *rest, **more)

    async def arun_keyed(call: Any, *rest: Any, **more: Any) -> Any:
        with _making(str(call["id"]), seen):
            return await arun(call, *rest, **more)

    made._run_one, made._arun_one = run_keyed, arun_keyed
    made.func, made.afunc = made._func, made._afunc  # those of the copy
    return made


@contextmanager
def _making(id: str, seen: dict[str, Iterator[int]]) -> Iterator[None]:
    number, step = next(seen.setdefault(id, itertools.count(1))), _step()
    token = _call.set(None if step is None else (step, f"{key_of_step()}/{id}/{number}"))
    try:
        yield
    finally:
        _call.reset(token)


def _step() -> str | None:
    try:
        metadata = get_config().get("metadata") or {}
    except RuntimeError:  # no node runs here
        return None
    return metadata.get("langgraph_checkpoint_ns")
