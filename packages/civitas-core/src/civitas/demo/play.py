"""The demo itself, act by act."""

from __future__ import annotations

import asyncio
import importlib
import logging
import platform
import time
from typing import TYPE_CHECKING, Any

from civitas.demo.requirements import crew_python, version_of
from civitas.demo.script import TASK
from civitas.demo.surroundings import TEAM, model_in_reach, settled, show_steps
from civitas.errors import CivitasError
from civitas.plugins import PluginManager
from civitas.runtime import Runtime

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from civitas.demo.screen import Screen
    from civitas.events import Event

__all__ = ["play"]

_TEAM = {
    "planner": ("LangGraph graph", "langgraph"),
    "researcher": ("OpenAI agent with a tool", "openai-agents"),
    "writer": ("CrewAI crew", "crewai"),
}
_KINDS = {name: kind for name, (kind, _) in _TEAM.items()} | {"coordinator": "Civitas agent"}

_ELSEWHERE = "writer"
"""Whose framework this process never imports."""

# Seconds; a real model may take its time.
_PATIENCE = 180.0


def play(screen: Screen, *, verbose: bool) -> int:
    """Run the demo and return the exit code."""
    screen.title("Civitas: an existing graph, agent and crew that stay up")
    with model_in_reach() as model, settled(verbose=verbose):
        screen.fact("model", model)
        screen.fact("python", f"{platform.python_version()}, {_environments()}")
        screen.heading("The team, written without Civitas in mind")
        _load(screen)
        try:
            return asyncio.run(_run(screen))
        except CivitasError as error:
            screen.fail(f"there was no answer: {error}")
            return 1


def _environments() -> str:
    if version_of("crewai") is not None:
        return (
            "one environment for all three frameworks: CrewAI cannot be installed beside the newest "
            "openai-agents, so the newest that fits is here"
        )
    return (
        "two environments: CrewAI cannot be installed beside the newest openai-agents, so the crew has "
        f"an OS process with its own, {crew_python()}"
    )


def _load(screen: Screen) -> None:
    # Plugins first: an adapter keeps its framework from phoning home, if it comes before the framework.
    PluginManager().load()
    for name, (kind, distribution) in _TEAM.items():
        if name == _ELSEWHERE:
            version = version_of(distribution, there=True)
            screen.fact(name, f"{kind:<26} {distribution} {version}, imported by its own process")
            continue
        began = time.perf_counter()
        with screen.working(f"importing {distribution} ..."):
            importlib.import_module(name)
        took = time.perf_counter() - began
        version = version_of(distribution)
        screen.fact(name, f"{kind:<26} {distribution} {version}, imported in {took:.1f} s")


async def _run(screen: Screen) -> int:
    spans = _record_spans()
    runtime = Runtime.from_config(TEAM / "topology.yaml")
    events = _Events(screen)
    with screen.working("starting the crew's process ..."):
        await runtime.start()
    try:
        for kind in ("crashed", "restarted"):
            runtime.on(kind, events)
        screen.heading("Under one supervisor (team/topology.yaml)")
        screen.tree(runtime.tree(), _KINDS)
        screen.heading(f"The task: {TASK}")
        screen.begin_clock()
        with show_steps(_Steps(screen)):
            reply = await runtime.ask("coordinator", {"task": TASK}, timeout=_PATIENCE)
        answered = "answer" in reply.payload
        if answered:
            screen.answer(reply.payload["answer"])
            screen.heading("The tree now")
            screen.tree(runtime.tree(), _KINDS)
    finally:
        await runtime.stop()
    if not answered:
        screen.fail(f"there was no answer: {reply.payload['failed']}")
        return 1
    screen.heading("One request, one trace")
    screen.trace(_trace_of_run(spans))
    screen.done(events.summary())
    screen.fact("see also", f"{TEAM}: what ran here; `civitas init DIR`: a project of your own")
    return 0


class _Events:
    """Shows crashes and restarts as they happen, and remembers how long they took."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._crashed: dict[str, float] = {}
        self._back: list[tuple[str, float]] = []

    def __call__(self, event: Event) -> None:
        if event.type == "crashed":
            self._crashed[event.name] = event.time
            self._screen.crashed(event.name, event.message)
        elif event.name in self._crashed:
            milliseconds = (event.time - self._crashed.pop(event.name)) * 1000
            self._back.append((event.name, milliseconds))
            self._screen.restarted(
                event.name,
                f"started again after {milliseconds:.0f} ms; its message was kept "
                "(delivery: at_least_once) and goes to the new incarnation",
            )

    def summary(self) -> str:
        """One sentence on what happened."""
        if not self._back:
            return "the answer came without a crash: the model did not use the tool that breaks"
        told = ", ".join(f"{name} was back after {ms:.0f} ms" for name, ms in self._back)
        return f"One crash, no lost work: {told}, and whoever asked got the answer."


class _Steps(logging.Handler):
    """Shows what the coordinator logs."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        more: dict[str, Any] = vars(record)
        self._screen.step(more["who"], more["what"])


def _record_spans() -> InMemorySpanExporter:
    """Keep what is traced in memory, beside whatever the environment asks for."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from civitas.telemetry.setup import setup_from_environment

    setup_from_environment("civitas-demo")
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def _trace_of_run(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the trace in which the coordinator handled its message."""
    spans = exporter.get_finished_spans()
    ids = {
        span.context.trace_id
        for span in spans
        if span.name == "process coordinator" and span.context
    }
    return [span for span in spans if span.context and span.context.trace_id in ids]
