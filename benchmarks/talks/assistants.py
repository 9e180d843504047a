"""An agent of the OpenAI Agents SDK: conversations in the StateStore, and in the SDK's own `SQLiteSession`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchmarks.talks.parts import Kinds, Turn, civitas, text
from civitas import wrap

__all__ = ["CONTESTANTS"]

_numbers = itertools.count()
# Without it the SDK hands its traces to its vendor's exporter; Civitas takes that off.
_QUIET = RunConfig(tracing_disabled=True)


class _Scripted(Model):
    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        number = next(_numbers)
        part = ResponseOutputText(text=text(number), type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id=f"m{number}", content=[part], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("nobody streams it here")


_AGENT: Agent[Any] = Agent(name="clerk", instructions="Answer.", model=_Scripted())


@asynccontextmanager
async def _sessions(folder: Path, at_once: int) -> AsyncIterator[Turn]:
    open_: dict[str, SQLiteSession] = {}

    async def turn(conversation: str, said: str) -> None:
        if conversation not in open_:
            open_[conversation] = SQLiteSession(conversation, folder / "sessions.db")
        await Runner.run(_AGENT, said, session=open_[conversation], run_config=_QUIET)

    try:
        yield turn
    finally:
        for each in open_.values():
            each.close()


def _ours(pool: bool) -> Any:
    if pool:
        return wrap(_AGENT, name="a", run_config=_QUIET, per_conversation=True)
    return wrap(_AGENT, name="a", run_config=_QUIET)


CONTESTANTS: dict[str, Kinds] = {
    "civitas": {"turns": civitas(_ours)},
    "SQLiteSession": {"turns": _sessions},
}
