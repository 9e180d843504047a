"""For the tests of the adapters: their spans, and a runtime with one agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from civitas.frameworks.conversations import key_of
from civitas.frameworks.transcripts import as_text, messages_of
from civitas.plugins import PluginManager
from civitas.process import AgentProcess, Cell
from civitas.runs import RunInfo
from civitas.runtime import Runtime
from civitas.state import LongRecord
from civitas.supervision import Supervisor


class Spans:
    """The spans that ended so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        """In the order they began."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> ReadableSpan:
        """The first that has the name."""
        return next(span for span in self.all() if span.name == name)

    def outline(self) -> list[str]:
        """Their names, indented by where they belong, as a reader of the trace sees them."""
        spans = self.all()

        def below(parent: int | None, depth: int) -> Iterator[str]:
            for span in spans:
                if (span.parent.span_id if span.parent else None) == parent:
                    yield "  " * depth + span.name
                    assert span.context is not None
                    yield from below(span.context.span_id, depth + 1)

        return list(below(None, 0))

    def attributes(self, name: str) -> dict[str, Any]:
        """The attributes of the first that has the name."""
        return dict(self.named(name).attributes or {})


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Record what the test traces."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # The API takes one provider in the life of a process.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield Spans(exporter)
    provider.shutdown()


def running(*agents: AgentProcess, **keywords: Any) -> Runtime:
    """A runtime with these agents, which starts them again without delay."""
    return Runtime(Supervisor("root", children=list(agents), backoff="NONE", **keywords))


def restarts(runtime: Runtime) -> int:
    """How often the first agent was started again."""
    count: int = runtime.tree()["children"][0]["restarts"]
    return count


async def told_over_a_crash(agent: AgentProcess, payload: Any) -> RunInfo:
    """What is known of a durable run whose agent crashes once on the way; a token costs a dollar."""
    tree = Supervisor("root", [agent], backoff="none")
    async with Runtime(tree, prices={"*": {"in": 1e6, "out": 1e6}}) as runtime:
        await runtime.ask(agent.name, payload, run="r")
        assert restarts(runtime) == 1
        return await runtime.run_info("r")


async def transcript(store: Any, agent: str, conversation: str) -> list[str]:
    """What `civitas state show` says of a conversation."""
    kept = await LongRecord.load(store, key_of(agent, conversation))
    told = PluginManager().messages(kept)
    return [as_text(message) for message in messages_of(kept, told)]


def doing(runtime: Runtime, name: str) -> dict[str, Any]:
    """What an agent of the root does with the message in hand."""
    cell = runtime._node.registry[name]
    assert isinstance(cell, Cell)
    return cell.doing or {}


def detailed_usage(asked: int, answered: int) -> dict[str, Any]:
    """What a model of OpenAI's says it used."""
    return {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 15},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
