"""The spans of one framework run."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import trace

from civitas.frameworks.spans import SpanTree


@pytest.fixture
def root(spans):
    span = trace.get_tracer("test").start_span("run")
    with trace.use_span(span):
        yield span
    span.end()


def test_a_span_is_the_child_of_what_its_parent_key_names(spans, root):
    tree = SpanTree(root)
    tree.start("a", None, "agent")
    tree.start("b", "a", "tool")
    tree.end("b")
    tree.end("a")
    root.end()
    assert spans.outline() == ["run", "  agent", "    tool"]


def test_what_is_skipped_makes_no_span_but_its_children_do(spans, root):
    tree = SpanTree(root)
    tree.start("a", None, "agent")
    tree.skip("turn", "a")
    tree.skip("step", "turn")
    tree.start("b", "step", "tool")
    for key in ("b", "step", "turn", "a"):
        tree.end(key)
    root.end()
    assert spans.outline() == ["run", "  agent", "    tool"]


def test_the_users_own_spans_are_children_of_the_current_one(spans, root):
    tree = SpanTree(root)
    tree.start("a", None, "tool")
    with trace.get_tracer("user").start_as_current_span("query"):
        pass
    tree.end("a")
    assert trace.get_current_span() is root
    root.end()
    assert spans.outline() == ["run", "  tool", "    query"]


async def test_a_span_that_ends_in_another_task_ends_all_the_same(spans, root):
    tree = SpanTree(root)

    async def end() -> None:
        tree.end("a")

    tree.start("a", None, "node")
    await asyncio.create_task(end())
    assert spans.named("node")


def test_an_error_is_the_name_of_its_type(spans, root):
    tree = SpanTree(root)
    tree.start("a", None, "node")
    tree.end("a", error=KeyError("secret"))
    assert spans.attributes("node")["error.type"] == "KeyError"
    assert "secret" not in str(spans.named("node").status.description)


def test_what_is_open_when_the_run_is_over_was_cancelled(spans, root):
    tree = SpanTree(root)
    tree.start("a", None, "node")
    tree.close()
    assert spans.attributes("node")["error.type"] == "CancelledError"
