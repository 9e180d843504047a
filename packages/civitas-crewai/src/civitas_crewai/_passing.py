"""`Pass`: one way through a run, from its start to its end or to its next question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from crewai.hooks.dispatch import HookAborted

from civitas.frameworks import Interrupted, Run
from civitas_crewai._humans import Asked, NobodyToAsk
from civitas_crewai._once import MadeCalls
from civitas_crewai._own_loop import Bridge, run_apart
from civitas_crewai._payload import tell_usage
from civitas_crewai._stream import Voice, noticing
from civitas_crewai._tools import current_bridge

if TYPE_CHECKING:
    from crewai import Crew

__all__ = ["Pass"]


class Pass:
    """One way through a run. One that goes on starts again, with what was done kept and the answers there.

    Args:
        run: The run.
        may_ask: Whether it may end with a question, so that what is done is kept for the next way through.

    Attributes:
        name: Of the run; the same in each pass.
        payload: What it began with.
        answers: Those to its questions so far, by their ids.
        told: The steps that its reader has heard of.
        bridge: To the agent's loop.
        calls: Where what is done is kept.
        voice: Tells the reader; None if there is none.
    """

    def __init__(self, run: Run, *, may_ask: bool = True) -> None:
        saved: dict[str, Any] = run.saved if run.answers is not None else {}
        self.name: str = saved.get("run", run.message.id)
        self.payload = saved.get("payload", run.payload)
        self.answers = {**saved.get("answers", {}), **(run.answers or {})}
        self.told: set[str] = set(saved.get("told", ()))
        self.bridge = Bridge(asyncio.get_running_loop())
        calls = dict(saved.get("calls", {})) if may_ask else None
        self.calls = MadeCalls(run, self.bridge, calls)
        self.voice = Voice(run, self.bridge, self.told) if run.streams else None
        self._run = run

    @contextmanager
    def watched(self, crew: Crew | None = None) -> Iterator[None]:
        """Inside the block what CrewAI says of itself becomes spans, progress and what the reader hears."""
        run = self._run
        with ExitStack() as stack:
            if run.spans is not None:
                from civitas_crewai._spans import CrewSpans

                stack.enter_context(CrewSpans(run.spans, self.bridge))
            if run.watched:
                stack.enter_context(noticing(run.progress))
            if self.voice is not None:
                stack.enter_context(self.voice.listening(crew))
            yield

    async def go(
        self, kickoff: Callable[[], Awaitable[Any]], threads: ThreadPoolExecutor, thread: str
    ) -> Any:
        """What `kickoff` returns, on a loop of its own in a thread of this name; `Interrupted` if a human is asked."""
        run = self._run

        async def whole() -> Any:
            current_bridge.set(self.bridge)
            return await kickoff()

        try:
            result = await run_apart(whole, self.bridge, threads, thread)
        except Asked as asked:
            if run.spans is not None:
                run.spans.close(cancelled=False)
            result = Interrupted(asked.questions, self._saved())
        except NobodyToAsk as nobody:
            raise HookAborted(str(nobody), source="civitas") from None
        tell_usage(run, self.calls.usage)
        return result

    def _saved(self) -> dict[str, Any]:
        return {
            "run": self.name,
            "payload": self.payload,
            "calls": self.calls.made,
            "answers": self.answers,
            "told": sorted(self.told),
        }
