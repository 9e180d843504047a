"""Classes that could handle nothing, callbacks that could not be called, and calls from the wrong place."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from civitas.errors import ConfigurationError, HandlerFailed, SupervisionError
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import error_of


class Echo(AgentProcess):
    """Answers with what it was sent, or says a word of its own."""

    async def handle(self, message: Message) -> Message:
        match message.type:
            case "reply":
                return self.reply(1, message.payload)
            case "emit":
                await self.emit(1, message.payload)
            case "later":
                self.send_after(60, "echo", 1, **message.payload)
        return self.reply([message.type, message.conversation, dict(message.headers)])


def tree() -> Supervisor:
    return Supervisor("root", [Echo("echo"), ConversationPool("pool", Echo("each"))])


class Handless(AgentProcess):
    async def handel(self, message: Message) -> None:
        """A slip of the pen."""


class Yields(AgentProcess):
    async def handle(self, message: Message) -> AsyncIterator[int]:  # type: ignore[override]
        yield 1


class TakesTooLittle(AgentProcess):
    async def handle(self) -> None: ...  # type: ignore[override]


class StartsWithMore(Echo):
    async def on_start(self, path: str) -> None: ...  # type: ignore[override]


class ErrsAlone(Echo):
    async def on_error(self, error: Exception) -> Any: ...  # type: ignore[override]


class YieldsAtStop(Echo):
    def on_stop(self) -> Any:
        yield 1


@pytest.mark.promise(id="SEM-1103")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Handless, "Handless has no handle"),
        (Yields, "Yields.handle is a generator"),
        (YieldsAtStop, "YieldsAtStop.on_stop is a generator"),
        (TakesTooLittle, r"TakesTooLittle.handle cannot .* `async def handle\(self, message\)`"),
        (StartsWithMore, r"StartsWithMore.on_start cannot .* `async def on_start\(self\)`"),
        (ErrsAlone, r"ErrsAlone.on_error cannot .* on_error\(self, error, message\)`"),
    ],
)
async def test_a_class_that_could_handle_nothing_is_no_child(kind: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Supervisor("root", [kind("a")])
    with pytest.raises(ConfigurationError, match=words):
        ConversationPool("pool", kind("a"))
    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        for supervisor in ("root", "sessions"):
            with pytest.raises(ConfigurationError, match=words):
                await runtime.start_child(supervisor, kind("a"))


def with_a_user(function: Any) -> Any:
    @functools.wraps(function)
    async def inner(self: Any, message: Message) -> Any:
        return await function(self, message, "ann")

    return inner


@pytest.mark.promise(id="SEM-1103")
async def test_a_callback_may_be_decorated_static_or_have_arguments_of_its_own() -> None:
    class Decorated(AgentProcess):
        @with_a_user
        async def handle(self, message: Message, user: str) -> Message:
            return self.reply(user)

        @staticmethod
        async def on_start() -> None: ...

        async def on_stop(self, why: str = "", *more: Any) -> None: ...

    async with Runtime(Supervisor("root", [Decorated("a")])) as runtime:
        assert (await runtime.ask("a", 1)).payload == "ann"


@pytest.mark.promise(id="SEM-1103")
async def test_an_agent_that_works_by_itself_needs_no_handle() -> None:
    class Ticks(AgentProcess):
        async def on_start(self) -> None:
            self.send_after(60, "ticks", 1)

    async with Runtime(Supervisor("root", [Ticks("ticks")])) as runtime:
        assert runtime.tree()["children"][0]["status"] == "running"


class OwnLoop(AgentProcess):
    """Awaits its own calls by `asyncio.run`, in the thread of a plain handler."""

    def handle(self, message: Message) -> Message:  # type: ignore[override]
        async def read() -> list[Message]:
            return [each async for each in self.stream("echo", 1)]

        calls: dict[str, Any] = {
            "ask": lambda: self.ask("echo", 1),
            "send": lambda: self.send("echo", 1),
            "broadcast": lambda: self.broadcast("echo", 1),
            "stream": read,
            "emit": lambda: self.emit(1),
            "step": lambda: self.step("k", print),
            "spawn": lambda: self.spawn(Echo, "new"),
            "terminate": lambda: self.terminate("echo"),
            "monitor": lambda: self.monitor("echo"),
        }
        return self.reply(asyncio.run(calls[message.type]()))


@pytest.mark.promise(id="SEM-1265")
@pytest.mark.parametrize(
    "call",
    ["ask", "send", "broadcast", "stream", "emit", "step", "spawn", "terminate", "monitor"],
)
async def test_an_agent_that_awaits_on_another_loop_is_told_how_to_wait(call: str) -> None:
    children: list[Any] = [OwnLoop("own"), Echo("echo"), DynamicSupervisor("sessions")]
    async with Runtime(Supervisor("root", children)) as runtime:
        error = await error_of(runtime.ask("own", 1, call, timeout=5))
    assert isinstance(error, HandlerFailed)
    assert error.error_type == "ConfigurationError"
    assert "write self.run(self.ask(...)) instead of asyncio.run" in error.error_message


@pytest.mark.promise(id="SEM-1263")
async def test_a_runtime_that_does_not_run_says_so_to_who_asks_for_a_supervisor() -> None:
    with pytest.raises(SupervisionError, match="the runtime is not running") as caught:
        Runtime(tree()).which_children("root")
    assert caught.value.reason == "not_found"
