"""A handler that blocks the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from civitas.events import Event
from civitas.launch import ShortPauses
from civitas.message import Message
from civitas.node.blocking import _place
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.telemetry import names
from tests.core.support import eventually
from tests.core.telemetry.support import Metered


class Named(logging.Handler):
    """Keeps what is logged of blocking, and lets go on who waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.said = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "blocks the event loop" in record.msg:
            self.records.append(record)
            self.said.set()


@pytest.fixture
def named() -> Iterator[Named]:
    handler, logger = Named(), logging.getLogger("civitas")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Blocks(AgentProcess):
    """Blocks until it is named, or until it is enough."""

    def __init__(self, name: str, named: Named) -> None:
        super().__init__(name)
        self.named = named
        self.enough: Callable[[], bool] = lambda: True

    async def handle(self, message: Message) -> Message:
        if message.type == "task":
            await asyncio.create_task(self.block())
        elif message.payload is None:
            assert self.named.said.wait(5)
        else:
            while not self.enough():
                time.sleep(0.001)  # noqa: ASYNC251
        return self.reply(None)

    async def block(self) -> None:
        assert self.named.said.wait(5)


def line_of(code: str) -> str:
    lines, first = inspect.getsourcelines(Blocks)
    return f"{__file__}:{first + next(n for n, line in enumerate(lines) if code in line)} "


@pytest.mark.promise(id="SEM-1712")
async def test_a_handler_that_blocks_the_loop_is_named_while_it_does(named: Named) -> None:
    events: list[Event] = []
    async with Runtime(Supervisor("root", [Blocks("a", named)])) as runtime:
        runtime.on("blocked", events.append)
        await runtime.ask("a", None)
        await eventually(lambda: bool(events))
    [event] = events
    assert (event.name, event.node) == ("a", "root")
    assert event.reason == line_of("assert self.named") + "(Blocks.handle)"
    assert event.reason in event.message
    [record] = named.records
    assert "'a'" in record.getMessage()
    assert event.reason in record.getMessage()
    assert getattr(record, names.AGENT_NAME) == "a"


@pytest.mark.promise(id="SEM-1712")
async def test_so_is_a_task_that_a_handler_began(named: Named) -> None:
    async with Runtime(Supervisor("root", [Blocks("a", named)])) as runtime:
        await runtime.ask("a", None, message_type="task")
    assert "(Blocks.block)" in named.records[0].getMessage()


@pytest.mark.promise(id="SEM-1712")
async def test_a_place_is_named_once_and_counted_each_time(
    named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered, events = Metered(monkeypatch), []
    blocks = Blocks("a", named)
    async with Runtime(Supervisor("root", [blocks])) as runtime:
        runtime.on("blocked", events.append)
        watch = runtime._node._blocking

        def looked_at_again() -> bool:  # after the look that counted it
            return watch.held() > 0 and watch._turn is not None and watch._turn.looks > 4

        blocks.enough = looked_at_again
        for _ in range(2):
            await runtime.ask("a", "until enough")

        def counted() -> bool:
            points = metered.points().get(names.LOOP_BLOCKED, [])
            return [value for _, value in points] == [2]

        await eventually(counted)
    assert len(named.records) == len(events) == 1


def test_where_the_garbage_collector_holds_the_loop_up_the_line_that_it_interrupted_is_named() -> (
    None
):
    places = []

    class Info(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            places.append(_place(sys._getframe(1)))  # of the collector's callback
            return 0

    file = f"{sysconfig.get_path('purelib')}/library.py"
    code = compile("pauses('start', info)", file, "exec")
    library = threading.Thread(
        target=eval, args=[code, {"pauses": ShortPauses(), "info": Info(), "__name__": "library"}]
    )
    library.start()
    library.join()
    assert places == [f"{file}:1 (<module>)"]


@pytest.mark.promise(id="SEM-1712")
async def test_many_short_turns_in_one_round_of_the_loop_block_nothing(named: Named) -> None:
    class Short(AgentProcess):
        async def handle(self, message: Message) -> Message:
            threading.Event().wait(0.01)
            return self.reply(None)

    agents = [Short(f"a{n}") for n in range(15)]
    async with Runtime(Supervisor("root", agents)) as runtime:
        await asyncio.gather(*(runtime.ask(agent.name, None) for agent in agents))
    assert not named.records


@pytest.mark.promise(id="SEM-1712")
async def test_a_process_that_was_stopped_meanwhile_is_no_handler_that_blocks(named: Named) -> None:
    again = f"echo ready; while sleep 0.2; do kill -CONT {os.getpid()}; done"

    class Stopped(AgentProcess):
        async def handle(self, message: Message) -> Message:
            assert helper.stdout is not None
            await asyncio.to_thread(helper.stdout.readline)
            watch = runtime._node._blocking
            while not watch.held():  # the first look
                time.sleep(0.001)  # noqa: ASYNC251
            while watch.held() < 0.1:
                os.kill(os.getpid(), signal.SIGSTOP)
            while watch._turn is None or not watch._turn.looks:  # and another
                time.sleep(0.001)  # noqa: ASYNC251
            return self.reply(None)

    async with Runtime(Supervisor("root", [Stopped("a")])) as runtime:
        with subprocess.Popen(["sh", "-c", again], stdout=subprocess.PIPE) as helper:  # noqa: ASYNC220
            try:
                await runtime.ask("a", None)
            finally:
                helper.kill()
    assert not named.records


async def test_the_thread_ends_with_the_system(named: Named) -> None:
    async with Runtime(Supervisor("root", [Blocks("a", named)])):
        assert "civitas-root-blocking" in {each.name for each in threading.enumerate()}
    assert "civitas-root-blocking" not in {each.name for each in threading.enumerate()}
