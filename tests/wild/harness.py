"""Puts one public agent through every column: `python -m tests.wild.harness NAME` prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from civitas import Message, Runtime
from civitas.demo.model_server import Answer, ModelServer
from tests.wild.case import COLUMNS, KILLS, Case
from tests.wild.cases import CASES
from tests.wild.model import Model, plain

AGENTS = Path(__file__).parent / "agents"
# Seconds. A machine that does much else takes its time to start a process and import a framework in it.
ASK, START = 90.0, 120.0
# So long nothing new arrives before a kill: what runs beside the held call has come to its end, and is kept.
QUIET = 0.4


class Wrong(Exception):
    """Something did not come out right."""


def check(right: object, said: str) -> None:
    """Raise what did not come out right."""
    if not right:
        raise Wrong(said)


class Trial:
    """One agent, and what the columns find out about it.

    Args:
        case: The agent.
        folder: For its state.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.model = Model(())
        self.spans = InMemorySpanExporter()
        self.reply: Any = None
        self.calls: list[str] = []
        self.asks = 0
        self._systems: dict[bool, tuple[Runtime, AsyncExitStack]] = {}

    # --- runs ----------------------------------------------------------------------------------

    def system(self, **agent: Any) -> Runtime:
        """The agent as the one child of a runtime; with `process`, in an OS process of its own."""
        entry = {"name": self.case.name, "wrap": self.case.wrap, **self.case.options, **agent}
        config: dict[str, Any] = {
            "runtime": {"drain_timeout": 5},
            "supervision": {"name": "root", "backoff": "none", "children": [{"agent": entry}]},
        }
        if "process" in agent:
            config["processes"] = {agent["process"]: {"start_timeout": START}}
            state = self.folder / f"{time.monotonic_ns()}.db"
            config["state"] = {"type": "sqlite", "path": str(state)}
        return Runtime.from_config(config)

    def answer(self, body: dict[str, Any]) -> Answer:
        """What the model of this run says."""
        return self.model(body)

    async def process(self, *, durable: bool) -> Runtime:
        """The agent in an OS process of its own, which the columns share: its start takes the longest of all."""
        if durable not in self._systems:
            stack = AsyncExitStack()
            runtime = await stack.enter_async_context(self.system(process="w", durable=durable))
            self._systems[durable] = runtime, stack
        runtime = self._systems[durable][0]
        await _until(lambda: _is_running(runtime), START)
        return runtime

    async def end(self) -> None:
        """End those processes."""
        while self._systems:
            await self._systems.popitem()[1][1].aclose()

    def plays(self, play: Any = None, hold_at: int | None = None) -> Model:
        """Give the model its script for the next run."""
        self.model = Model(self.case.play if play is None else play, hold_at)
        self.asks = 0
        return self.model

    async def run(
        self,
        runtime: Runtime,
        conversation: str | None = None,
        payload: Any = None,
        answers: tuple[Any, ...] | None = None,
        *,
        before_answer: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> Message:
        """Ask, and answer whatever the agent asks the human, until it replies."""
        left = list(self.case.answers if answers is None else answers)
        message: Any = self.case.payload if payload is None else payload
        kind = "message"
        while True:
            self.asks += 1
            reply = await runtime.ask(
                self.case.name, message, kind, conversation=conversation, timeout=ASK
            )
            if reply.type != "interrupt":
                check(not left, f"it did not ask for the answers {left}")
                return reply
            check(self.case.asks in plain(reply.payload), f"it asked {reply.payload}")
            check(left, f"it asked once more: {reply.payload}")
            if before_answer is not None:
                await before_answer()
            kind, conversation = "resume", reply.conversation
            message = self._answer(left.pop(0), reply.payload["interrupts"])

    @staticmethod
    def _answer(answer: Any, interrupts: list[dict[str, Any]]) -> dict[str, Any]:
        if len(interrupts) == 1:
            return {"id": interrupts[0]["id"], "value": answer}
        return {"values": {each["id"]: answer for each in interrupts}}

    def same(self, reply: Message) -> None:
        """The reply is that of the run that nothing disturbed."""
        said, wanted = plain(reply.payload), plain(self.reply)
        pairs = enumerate(zip(said, wanted, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), 0)
        near = slice(max(0, at - 60), at + 240)
        check(said == wanted, f"it replied ...{said[near]}\ninstead of ...{wanted[near]}")
        check(not self.model.unsaid, f"its model was not asked for {self.model.unsaid}")

    # --- the columns ---------------------------------------------------------------------------

    async def ask(self) -> None:
        """The agent replies what it should."""
        self.plays()
        async with self.system() as runtime:
            reply = await self.run(runtime)
        self.reply, self.calls = reply.payload, list(self.model.requests)
        check(self.case.says in plain(reply.payload), f"it replied {plain(reply.payload)}")
        check(not self.model.unsaid, f"its model was not asked for {self.model.unsaid}")
        check(not self.model.repeated, "its model was asked the same again")

    async def stream(self) -> None:
        """A reader is told steps, the model's text and the tools, and the same reply last."""
        self.plays()
        left = list(self.case.answers)
        message, kind, conversation = self.case.payload, "message", "streamed"
        seen: list[Message] = []
        async with self.system() as runtime:
            while True:
                stream = runtime.stream(
                    self.case.name, message, kind, conversation=conversation, timeout=ASK
                )
                async with aclosing(stream):
                    chunks = [each async for each in stream]
                seen += chunks
                if chunks[-1].type != "interrupt":
                    break
                message = self._answer(left.pop(0), chunks[-1].payload["interrupts"])
                kind = "resume"
        check(not left, f"it did not ask for the answers {left}")
        self.same(seen[-1])
        check(any(each.type == "step" for each in seen), "it told no steps")
        told = "".join(each.payload["text"] for each in seen if each.type == "token")
        check(told or not self.case.speaks, "it told no token")
        tools = [each.payload for each in seen if each.type == "tool"]
        begun = sorted(
            plain([each["name"], each["arguments"]]) for each in tools if "result" not in each
        )
        done = sorted(
            plain([each["name"], each["arguments"]]) for each in tools if "result" in each
        )
        check(begun == done, f"it told of the tools {begun} when called, {done} when done")

    async def memory(self) -> None:
        """A second run remembers the first in its conversation, and in no other."""
        case = self.case
        play = case.play if case.again_play is None else case.again_play
        asked: dict[str, str] = {}
        async with self.system() as runtime:
            self.plays()
            await self.run(runtime, "ours")
            for conversation in ("ours", "theirs"):
                self.plays(play)
                await self.run(runtime, conversation, case.again, case.again_answers)
                asked[conversation] = "\n".join(self.model.requests)
        check(case.recalls in asked["ours"], f"it has forgotten {case.recalls!r}: {asked['ours']}")
        check(case.recalls not in asked["theirs"], f"another conversation knows {case.recalls!r}")

    async def worker(self) -> None:
        """In a process of its own it replies the same, and asks its model the same."""
        self.plays()
        runtime = await self.process(durable=False)
        self.spans.clear()
        reply = await self.run(runtime)
        self.same(reply)
        check(sorted(self.model.requests) == sorted(self.calls), "its model was asked otherwise")

    async def trace(self) -> None:
        """The spans of that run are one trace for each ask, with every call of the model."""
        # Those of another process arrive a little later.
        await _until(lambda: not self._untraced(), 10)
        check(not (missing := self._untraced()), missing)

    def _untraced(self) -> str:
        spans = self.spans.get_finished_spans()
        roots = [span.name for span in spans if span.parent is None]
        if roots != [f"send {self.case.name}"] * self.asks:
            return f"the traces are {roots}"
        known = {span.context.span_id for span in spans if span.context}
        lost = [span.name for span in spans if span.parent and span.parent.span_id not in known]
        if lost:
            return f"spans without their parents: {lost}"
        chats = [span.name for span in spans if span.name.split()[0] == "chat"]
        if len(chats) != len(self.calls):
            return f"{len(chats)} spans for {len(self.calls)} calls of the model"
        return ""

    async def kill(self, at: int) -> None:
        """Killed in the call `at`, from 1, it replies the same, and makes no finished call again."""
        if self.case.keeps:
            await self.end()
        model = self.plays(hold_at=at)
        runtime = await self.process(durable=True)
        running = asyncio.create_task(self.run(runtime))
        held = asyncio.create_task(asyncio.to_thread(model.held.wait, ASK))
        try:
            await asyncio.wait({running, held}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                raise Wrong(f"it never came to call {at}") from running.exception()
            await _quiet(model)
            finished = [each for each in model.requests if each != model.at_hold]
            _kill(runtime)
            model.release()
            reply = await running
        finally:
            model.release()
            running.cancel()
            await asyncio.wait({running, held})
        self.same(reply)
        again = [each for each in model.repeated if each in finished]
        check(len(again) <= self.case.redone, f"it made {len(again)} finished calls again: {again}")
        check(set(model.requests) == set(self.calls), "its model was asked otherwise")

    async def interrupt(self) -> None:
        """It asks the human, is killed, and goes on with the answer that comes afterwards."""
        self.plays()
        runtime = await self.process(durable=False)

        async def kill() -> None:
            _kill(runtime)
            await _until(lambda: not _is_running(runtime), START)
            await _until(lambda: _is_running(runtime), START)

        reply = await self.run(runtime, before_answer=kill)
        self.same(reply)
        check(not self.model.repeated, f"it made calls again: {self.model.repeated}")

    # --- all of them ---------------------------------------------------------------------------

    async def cells(self, picked: Sequence[str] = COLUMNS) -> dict[str, str]:
        """Each column: "" where it came out right, or what did not."""
        count = 0
        cells: dict[str, str] = {}
        for column in COLUMNS:
            if column in self.case.inapplicable or column not in ("ask", *picked):
                continue
            if column in KILLS:
                at = {"first": 1, "middle": count // 2 + 1, "last": count}[column.split()[1]]
                trying = self.kill(at)
            else:
                trying = getattr(self, column)()
            try:
                await asyncio.wait_for(trying, 2 * START)
                cells[column] = ""
            except Exception as error:
                cells[column] = f"{type(error).__name__}: {error}"
                await self.end()  # the next column begins afresh
            count = count or len(self.calls)
        await self.end()
        return cells


def _pid(runtime: Runtime) -> int | None:
    pid: int | None = runtime.tree()["children"][0]["pid"]
    return pid


def _is_running(runtime: Runtime) -> bool:
    child = runtime.tree()["children"][0]
    return bool(child["pid"]) and child["status"] == "running"


def _kill(runtime: Runtime) -> None:
    pid = _pid(runtime)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def _quiet(model: Model) -> None:
    count = -1
    while count != len(model.requests):
        count = len(model.requests)
        await asyncio.sleep(QUIET)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


def versions(case: Case) -> str:
    """The distributions of the agent, with their versions."""
    return ", ".join(f"{name} {version(name)}" for name in case.packages)


async def main(name: str, *columns: str) -> None:
    """Try one agent, in all columns or those that are named, and print its row."""
    case = next(each for each in CASES if each.name == name)
    with tempfile.TemporaryDirectory(prefix="civitas-wild-") as folder:
        trial = Trial(case, Path(folder))
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(trial.spans))
        trace.set_tracer_provider(provider)
        with ModelServer(trial.answer) as server:
            os.environ.update(
                OPENAI_BASE_URL=server.url,
                OPENAI_API_BASE=server.url,
                OPENAI_API_KEY="scripted",
                HOME=folder,
                XDG_DATA_HOME=folder,
                CREWAI_STORAGE_DIR="wild",
                PYTHONPATH=str(AGENTS),
            )
            sys.path.insert(0, str(AGENTS))
            cells = await trial.cells(columns or COLUMNS)
    print(json.dumps({"name": name, "versions": versions(case), "cells": cells}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
