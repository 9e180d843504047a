"""A handler that blocks the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Iterator

import pytest

from civitas.events import Event
from civitas.message import Message
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
    """Blocks until it is named, or for as long as its message says."""

    def __init__(self, name: str, named: Named) -> None:
        super().__init__(name)
        self.named = named

    async def handle(self, message: Message) -> Message:
        if message.type == "task":
            await asyncio.create_task(self.block())
        elif message.payload is None:
            assert self.named.said.wait(5)
        else:
            threading.Event().wait(message.payload)
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
    async with Runtime(Supervisor("root", [Blocks("a", named)])) as runtime:
        runtime.on("blocked", events.append)
        for _ in range(2):
            await runtime.ask("a", 0.2)

        def counted() -> bool:
            points = metered.points().get(names.LOOP_BLOCKED, [])
            return [value for _, value in points] == [2]

        await eventually(counted)
    assert len(named.records) == len(events) == 1


@pytest.mark.promise(id="SEM-1712")
async def test_many_short_turns_in_one_round_of_the_loop_block_nothing(named: Named) -> None:
    class Short(AgentProcess):
        async def handle(self, message: Message) -> Message:
            threading.Event().wait(0.01)
            return self.reply(None)

    agents = [Short(f"a{n}") for n in range(30)]
    async with Runtime(Supervisor("root", agents)) as runtime:
        await asyncio.gather(*(runtime.ask(agent.name, None) for agent in agents))
    assert not named.records


async def test_the_thread_ends_with_the_system(named: Named) -> None:
    async with Runtime(Supervisor("root", [Blocks("a", named)])):
        assert "civitas-root-blocking" in {each.name for each in threading.enumerate()}
    assert "civitas-root-blocking" not in {each.name for each in threading.enumerate()}
