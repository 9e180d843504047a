"""The calls of models and tools that a run makes once, and `Scope`, what they belong to."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from civitas.process.ambiguous import CallNote
from civitas_openai._results import dump_result, load_result
from civitas_openai._tool_calls import WITHHELD, ToolCalls, arguments_of

if TYPE_CHECKING:
    from civitas.frameworks import Run
    from civitas.frameworks.kept_context import KeptContext
    from civitas_openai._stream import Told

__all__ = ["Scope", "handled", "scope"]


@dataclass(eq=False)
class Scope:
    """A run of the SDK's loop inside a run: the whole of it, or an agent that is a tool.

    Attributes:
        run: The run.
        path: What the keys of its calls begin with: empty, or the ids of the tool calls that lead here.
        told: Reports it to the reader; None for an agent that is a tool, of which a reader hears as of any tool.
        context: What the SDK hands to the tools as `context`.
        calls: The answers of its models, and the calls of tools in them.
        failures: The calls that failed so far, of inner scopes too: the name of the tool, and what is said of it.
        times: How often each id of a tool call came up; models should make them unique.
    """

    run: Run
    path: str = ""
    told: Told | None = None
    context: KeptContext | None = None
    calls: ToolCalls = field(default_factory=ToolCalls)
    failures: list[tuple[str, str]] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)

    @property
    def heard(self) -> bool:
        """Whether a reader hears about it."""
        return self.told is not None and self.run.streams

    def inside(self, key: str) -> Scope:
        """The scope of the agent that the call `key` is."""
        return Scope(self.run, f"{key}/", context=self.context, failures=self.failures)

    def call(self, id: str) -> str:
        """The key of a tool call."""
        self.times[id] += 1
        again = f"~{self.times[id]}" if self.times[id] > 1 else ""
        return f"{self.path}{id}{again}"

    async def perform(
        self,
        id: str,
        key: str,
        function: Callable[[], Any],
        *,
        dump: Callable[[Any], dict[str, Any]] = dump_result,
        load: Callable[[dict[str, Any]], Any] = load_result,
        raised: bool = False,
        guarded: bool = False,
        asks: str = "",
    ) -> Any:
        """Make a call of a tool; in a durable run once, however often the message is delivered.

        What it did to the run's `context` is recorded with it.

        Args:
            id: The model's id of the call.
            key: What names it in this run; from `call`.
            function: Makes it, sync or async.
            dump: From its result to plain data.
            load: From that to what stands for its result.
            raised: Whether the SDK tells the model what it raises, so that this is a result like any other.
            guarded: Whether the model may see the result only after guardrails have judged it.
            asks: The agent that it asks, and nothing else.
        """
        live: list[tuple[Any, Exception | None]] = []  # its result, or what it raised
        told: list[str] = []  # of the failures that the SDK made a result of
        context = self.context

        async def make() -> Any:
            try:
                result = function()
                live.append((await result if inspect.isawaitable(result) else result, None))
            except Exception as error:
                if not raised:
                    raise
                live.append((None, error))
            if not self.run.durable:
                return None
            result, failure = live[0]
            raising: dict[str, Any] = {"raised": str(failure) or type(failure).__name__}
            recorded = dump(result) if failure is None else raising
            if told:
                recorded["failed"] = told[0]
            if context is not None and (change := context.change()) is not None:
                recorded["context"] = change
            return recorded

        if self.told is None:  # no hook reports it
            self.run.progress.moves(f"the tool {self._name(id)!r} was called")
        token, telling = scope.set(None), handled.set(told)
        try:
            with self.calls.making(id):
                recorded = await self.run.once(
                    f"tool {key}", make, note=self._note(id, asks) if self.run.durable else None
                )
                if not live:
                    if context is not None:
                        context.replay(recorded.get("context"))
                    again = recorded.get("raised")
                    told += [recorded["failed"]] if "failed" in recorded else []
                    live.append((None, RuntimeError(again)) if again else (load(recorded), None))
                result, failure = live[0]
                if failure is not None:
                    told.append(str(failure) or type(failure).__name__)
                    raise failure
        finally:
            if self.told is None:
                self.run.progress.moves(f"the tool {self._name(id)!r} was done")
            self.note(id, told)
            handled.reset(telling)
            scope.reset(token)
        self.calls.made[id] = WITHHELD if guarded else result
        return result

    def _note(self, id: str, asks: str) -> CallNote:
        call = self.calls.named(id)
        return CallNote("tool", self._name(id), None if call is None else arguments_of(call), asks)

    def note(self, id: str, told: list[str]) -> None:
        """Note that a call failed, if the SDK reported that."""
        self.failures += [(self._name(id), text) for text in told[:1]]

    def _name(self, id: str) -> str:
        call = self.calls.named(id)
        return getattr(call, "name", None) or str(getattr(call, "type", id)).removesuffix("_call")


handled: ContextVar[list[str] | None] = ContextVar("civitas_openai_handled", default=None)
"""In a call of a tool: where to note the failures that the SDK makes a result of."""

scope: ContextVar[Scope | None] = ContextVar("civitas_openai_scope", default=None)
"""The loop that code belongs to; None in a tool, whose own runs are its own affair."""
