"""An agent of the OpenAI Agents SDK: conversations in the StateStore, and in the SDK's own `SQLiteSession`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchmarks.talks.apart import apart
from benchmarks.talks.parts import Kinds, Talking, civitas, civitas_apart, text
from civitas import wrap

__all__ = ["AGENT", "CONTESTANTS", "QUIET"]

_numbers = itertools.count()
# Without it the SDK hands its traces to its vendor's exporter; Civitas takes that off.
QUIET = RunConfig(tracing_disabled=True)


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
AGENT: Agent[Any] = Agent(name="clerk", instructions="Answer.", model=_MODEL)


@asynccontextmanager
async def _sessions(folder: Path, at_once: int) -> AsyncIterator[Talking]:
    open_: dict[str, SQLiteSession] = {}

    def session(conversation: str) -> SQLiteSession:
        if conversation not in open_:
            open_[conversation] = SQLiteSession(conversation, folder / "sessions.db")
        return open_[conversation]

    async def turn(conversation: str, said: str) -> None:
        await Runner.run(AGENT, said, session=session(conversation), run_config=QUIET)

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
        return wrap(AGENT, name="a", run_config=QUIET, per_conversation=True)
    return wrap(AGENT, name="a", run_config=QUIET)


_IN_TOPOLOGY = {
    "wrap": "benchmarks.talks.assistants:AGENT",
    "run_config": "benchmarks.talks.assistants:QUIET",
}
CONTESTANTS: dict[str, Kinds] = {
    "civitas": {"turns": civitas(_ours), "spread": civitas(_ours)},
    "civitas, 2 processes": {"spread": civitas_apart(2, **_IN_TOPOLOGY)},
    "civitas, 4 processes": {"spread": civitas_apart(4, **_IN_TOPOLOGY)},
    "SQLiteSession": {"turns": _sessions, "spread": _sessions},
    "SQLiteSession, 2 processes": {"spread": apart("openai", "SQLiteSession", 2)},
}
