"""An agent of the OpenAI Agents SDK: conversations in the StateStore, and in the SDK's own `SQLiteSession`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchmarks.talks.parts import Kinds, Talking, civitas, text
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


_MODEL = _Scripted()
_AGENT: Agent[Any] = Agent(name="clerk", instructions="Answer.", model=_MODEL)


@asynccontextmanager
async def _sessions(folder: Path, at_once: int) -> AsyncIterator[Talking]:
    open_: dict[str, SQLiteSession] = {}

    def session(conversation: str) -> SQLiteSession:
        if conversation not in open_:
            open_[conversation] = SQLiteSession(conversation, folder / "sessions.db")
        return open_[conversation]

    async def turn(conversation: str, said: str) -> None:
        await Runner.run(_AGENT, said, session=session(conversation), run_config=_QUIET)

    async def fill(conversation: str, turns: int) -> None:
        # Each item is a row of its own, whether it comes alone or not.
        items: list[Any] = []
        for number in range(turns):
            items.append({"role": "user", "content": text(number)})
            items += (await _MODEL.get_response()).to_input_items()
        await session(conversation).add_items(items)

    try:
        yield Talking(turn, fill)
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
