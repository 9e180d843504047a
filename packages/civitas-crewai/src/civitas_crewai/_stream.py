"""What the reader of a stream is told about a crew's run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from crewai.events.stream_context import add_stream_sink, reset_stream_sinks
from crewai.tools.tool_failure import ToolFailure
from pydantic import BaseModel

from civitas.errors import PayloadError
from civitas.frameworks import plain
from civitas_crewai._payload import task_names

if TYPE_CHECKING:
    from crewai import Crew

    from civitas.frameworks import Progress, Run
    from civitas_crewai._own_loop import Bridge

__all__ = ["Voice", "noticing"]

# Which call of a model goes on here.
_speaks: ContextVar[str | None] = ContextVar("civitas_crewai_speaks", default=None)


class Voice:
    """Reports one run, from its threads; each chunk waits until the reader has room for it.

    Args:
        run: The run.
        bridge: To the agent's loop.
        begun: The parts that were told before the run was interrupted; what is told is added.
    """

    def __init__(self, run: Run, bridge: Bridge, begun: set[str]) -> None:
        self._run = run
        self._bridge = bridge
        self._begun = begun
        self._heard: set[str] = set()

    @contextmanager
    def listening(self, crew: Crew | None = None) -> Iterator[None]:
        """Report the tasks of `crew`, and the pieces of text as models say them, inside the block."""
        numbers = {id(task): number for number, task in enumerate(crew.tasks if crew else ())}
        names = task_names(crew) if crew else []

        def hear(source: Any, event: Any) -> None:
            if event.type == "task_started":
                number = numbers.get(id(event.task))
                if number is not None:
                    self._begins(f"task:{number}", names[number])
            elif event.type == "llm_stream_chunk" and event.tool_call is None:
                part = _speaks.get()
                if part is not None and event.chunk:
                    self._heard.add(part)
                    self._bridge.wait(self._run.token(event.chunk, part))

        token = add_stream_sink(hear)
        try:
            yield
        finally:
            reset_stream_sinks(token)

    @contextmanager
    def speaking(self, part: str) -> Iterator[None]:
        """Inside the block, the call `part` of a model goes on; perhaps from the start, after it failed."""
        self._run.begin(part)
        self._heard.discard(part)
        token = _speaks.set(part)
        try:
            yield
        finally:
            _speaks.reset(token)

    def said(self, part: str, result: Any) -> None:
        """A call of a model is done. If it sent no pieces, its text is sent now."""
        if part in self._heard:
            return
        text = result.model_dump_json() if isinstance(result, BaseModel) else result
        if isinstance(text, str):
            self._bridge.wait(self._run.token(text, part))

    def called(self, part: str, name: str, arguments: Any) -> None:
        """A tool is called."""
        self._bridge.wait(self._run.tool(name, _sendable(arguments), part=part))

    def returned(self, part: str, name: str, arguments: Any, result: Any) -> None:
        """A tool is done."""
        if isinstance(result, ToolFailure):
            result = result.as_agent_message()
        told = self._run.tool(name, _sendable(arguments), _sendable(result), part=part)
        self._bridge.wait(told)

    def failed(self, part: str, name: str, arguments: Any, error: Exception) -> None:
        """A tool is done because it failed: the model reads that, too."""
        self.returned(part, name, arguments, f"Error executing tool: {error}")

    def _begins(self, part: str, name: str) -> None:
        if part not in self._begun:
            self._begun.add(part)
            self._bridge.wait(self._run.step(name, part))


@contextmanager
def noticing(progress: Progress) -> Iterator[None]:
    """Inside the block, each piece of what models say is progress, whether anybody reads it or not."""

    def hear(source: Any, event: Any) -> None:
        if event.type == "llm_stream_chunk":
            progress.moves("a token came")

    token = add_stream_sink(hear)
    try:
        yield
    finally:
        reset_stream_sinks(token)


def _sendable(value: Any) -> Any:
    try:
        return plain(value)
    except PayloadError:
        if isinstance(value, dict):
            return {str(name): _sendable(item) for name, item in value.items()}
        return str(value)
