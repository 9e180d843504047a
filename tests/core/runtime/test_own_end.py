"""Agents that would wait for themselves by way of the runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from civitas.errors import (
    AskCycle,
    CivitasError,
    ConfigurationError,
    HandlerFailed,
    StartFailed,
    SupervisionError,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import eventually

Do = Callable[["Doer"], Awaitable[Any]]


class Doer(AgentProcess):
    """Does what it was given, and answers with the error that this raised."""

    def __init__(self, name: str, do: Do | None = None, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.do = do

    async def handle(self, message: Message) -> Message:
        if message.type == "echo" or self.do is None:
            return self.reply(message.payload)
        try:
            await self.do(self)
        except CivitasError as error:
            return self.reply([type(error).__name__, str(error)])
        return self.reply("done")


class Blocking(Doer):
    """The same in a thread."""

    def handle(self, message: Message) -> Message:  # type: ignore[override]
        try:
            assert self.do is not None
            self.run(self.do(self))  # type: ignore[arg-type]
        except CivitasError as error:
            return self.reply([type(error).__name__, str(error)])
        return self.reply("done")


async def _directly(call: Awaitable[Any]) -> Any:
    return await call


async def _in_task(call: Any) -> Any:
    return await asyncio.ensure_future(call)


async def _gathered(call: Any) -> Any:
    return await asyncio.gather(call, asyncio.sleep(0))


async def _with_limit(call: Any) -> Any:
    return await asyncio.wait_for(call, 20)


async def _waited(call: Any) -> Any:
    task = asyncio.ensure_future(call)
    await asyncio.wait({task})
    return task.result()


async def _grouped(call: Any) -> Any:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(call)
    except* CivitasError as errors:
        raise errors.exceptions[0] from None


AWAITS = [_directly, _in_task, _gathered, _with_limit, _waited, _grouped]


def tree(do: Do, kind: type[Doer] = Doer) -> Supervisor:
    return Supervisor("root", [Supervisor("low", [kind("a", do), Doer("b")])])


CALLS: dict[str, Callable[[Runtime], Awaitable[Any]]] = {
    "restart('a')": lambda runtime: runtime.restart("a"),
    "restart('low')": lambda runtime: runtime.restart("low"),
    "terminate_child('a')": lambda runtime: runtime.terminate_child("low", "a"),
    "terminate_child('low')": lambda runtime: runtime.terminate_child("root", "low"),
    "stop()": lambda runtime: runtime.stop(),
    "wait()": lambda runtime: runtime.wait(),
}


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("kind", [Doer, Blocking])
@pytest.mark.parametrize("call", CALLS)
async def test_a_handler_that_would_wait_for_its_own_end_is_told_at_once(
    call: str, kind: type[Doer]
) -> None:
    async def do(agent: Doer) -> None:
        await CALLS[call](runtime)

    async with Runtime(tree(do, kind)) as runtime, asyncio.timeout(5):
        name, text = (await runtime.ask("a", 1)).payload
        assert name == "ConfigurationError"
        assert text.startswith(call)
        assert "asyncio.create_task(" in text
        assert runtime.tree()["children"][0]["children"][0]["restarts"] == 0


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("how", AWAITS)
async def test_however_it_awaits(how: Any) -> None:
    async def do(agent: Doer) -> None:
        await how(runtime.restart("a"))

    async with Runtime(tree(do)) as runtime, asyncio.timeout(5):
        assert (await runtime.ask("a", 1)).payload[0] == "ConfigurationError"


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("call", ["restart('a')", "restart('low')"])
async def test_a_task_that_it_does_not_wait_for_may_do_it(call: str) -> None:
    tasks = []

    async def do(agent: Doer) -> None:
        tasks.append(asyncio.create_task(_directly(CALLS[call](runtime))))
        await asyncio.sleep(0)

    async with Runtime(tree(do)) as runtime, asyncio.timeout(5):
        assert (await runtime.ask("a", 1)).payload == "done"
        await tasks[0]
        assert (await runtime.ask("a", 2, "echo")).payload == 2


@pytest.mark.promise(id="SEM-1107")
async def test_what_does_not_end_it_is_done() -> None:
    async def do(agent: Doer) -> None:
        await runtime.restart("b")
        await runtime.terminate_child("low", "b")
        await runtime.restart_child("low", "b")
        await runtime.start_child("low", Doer("c"))
        await runtime.terminate_child("low", "c")
        await runtime.delete_child("low", "c")
        assert (await runtime.ask("b", 1, "echo")).payload == 1

    async with Runtime(tree(do)) as runtime, asyncio.timeout(5):
        assert (await runtime.ask("a", 1)).payload == "done"


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("call", ["restart_child", "delete_child"])
async def test_a_child_that_runs_is_refused_to_itself_as_to_everybody(call: str) -> None:
    async def do(agent: Doer) -> None:
        await getattr(runtime, call)("low", "a")

    async with Runtime(tree(do)) as runtime, asyncio.timeout(5):
        assert (await runtime.ask("a", 1)).payload[0] == "SupervisionError"


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("how", AWAITS)
@pytest.mark.parametrize("to", ["a", "b"])
async def test_an_ask_of_itself_through_the_runtime_is_a_cycle(how: Any, to: str) -> None:
    async def do(agent: Doer) -> None:
        await how(runtime.ask(to, 1))

    async def back(agent: Doer) -> None:
        await agent.ask("a", 1, "echo")

    root = Supervisor("root", [Doer("a", do), Doer("b", back)])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        answer = (await runtime.ask("a", 1)).payload
        # b was told, and told a; or a was.
        assert answer == "done" if to == "b" else answer[0] == "AskCycle"


@pytest.mark.promise(id="SEM-1107")
async def test_a_stream_of_itself_through_the_runtime_is_a_cycle() -> None:
    async def do(agent: Doer) -> None:
        async for _ in runtime.stream("a", 1):
            pass

    async with Runtime(tree(do)) as runtime, asyncio.timeout(5):
        assert (await runtime.ask("a", 1)).payload[0] == "AskCycle"


class Asks(AgentProcess):
    """Asks `a` when it starts or stops."""

    def __init__(self, name: str, when: str, told: list[Exception], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.when = when
        self.told = told

    async def on_start(self) -> None:
        if self.when == "start":
            await self.ask("a", 1, "echo")

    async def handle(self, message: Message) -> None:
        """Nothing."""

    async def on_stop(self) -> None:
        if self.when == "stop":
            try:
                await self.ask("a", 1, "echo")
            except CivitasError as error:
                self.told.append(error)


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("how", ["start_child", "spawn"])
async def test_a_child_that_asks_its_maker_when_it_starts_is_told_at_once(how: str) -> None:
    async def do(agent: Doer) -> None:
        if how == "spawn":
            await agent.spawn(Asks, "c", "start", [])
        else:
            await runtime.start_child("root", Asks("c", "start", []))

    root = Supervisor("root", [Doer("a", do), DynamicSupervisor("sessions")])
    async with Runtime(root) as runtime, asyncio.timeout(5):
        name, text = (await runtime.ask("a", 1)).payload
        assert name == StartFailed.__name__
        assert "c -> a -> c" in text


@pytest.mark.promise(id="SEM-1107")
@pytest.mark.parametrize("how", ["terminate", "terminate_child", "restart"])
async def test_a_child_that_asks_who_ends_it_is_told_at_once(how: str) -> None:
    told: list[Exception] = []

    async def do(agent: Doer) -> None:
        match how:
            case "terminate":
                await agent.terminate("c")
            case "restart":
                await runtime.restart("low")
            case _:
                await runtime.terminate_child("root", "low")

    low = DynamicSupervisor("low") if how == "terminate" else Supervisor("low")
    async with Runtime(Supervisor("root", [Doer("a", do), low])) as runtime, asyncio.timeout(5):
        await runtime.start_child("low", Asks("c", "stop", told))
        assert (await runtime.ask("a", 1)).payload == "done"
    assert [type(each) for each in told] == [AskCycle]


@pytest.mark.promise(id="SEM-1107")
async def test_who_is_being_stopped_does_not_wait_for_the_supervisor_that_waits_for_it() -> None:
    began = asyncio.Event()

    async def do(agent: Doer) -> None:
        began.set()
        await eventually(lambda: runtime.tree()["children"][0]["status"] == "stopping")
        await runtime.restart("b")

    async with Runtime(Supervisor("root", [Doer("a", do), Doer("b")])) as runtime:
        async with asyncio.timeout(5):
            asking = asyncio.create_task(runtime.ask("a", 1))
            await began.wait()
            await runtime.terminate_child("root", "a")
            name, text = (await asking).payload
        assert name == SupervisionError.__name__
        assert "waits for the end of 'a'" in text


@pytest.mark.promise(id="SEM-1107")
async def test_a_conversation_cannot_end_its_own_pool() -> None:
    async def do(agent: Doer) -> None:
        await runtime.restart("pool")

    pool = ConversationPool("pool", Doer("each", do))
    async with Runtime(Supervisor("root", [pool])) as runtime, asyncio.timeout(5):
        answer = (await runtime.ask("pool", 1, conversation="c")).payload
        assert answer[0] == ConfigurationError.__name__


@pytest.mark.promise(id="SEM-1107")
async def test_on_stop_cannot_wait_for_the_stop_that_waits_for_it() -> None:
    told: list[Exception] = []

    class Stops(Doer):
        async def on_stop(self) -> None:
            try:
                await runtime.stop()
            except ConfigurationError as error:
                told.append(error)

    runtime = Runtime(Supervisor("root", [Stops("a")]))
    await runtime.start()
    await asyncio.wait_for(runtime.stop(), 5)
    assert len(told) == 1


async def test_a_handler_that_lets_the_error_out_fails_with_it() -> None:
    class Careless(Doer):
        async def handle(self, message: Message) -> Message:
            await runtime.restart("a")
            return self.reply(1)

    async with Runtime(Supervisor("root", [Careless("a")])) as runtime:
        with pytest.raises(HandlerFailed, match="which waits for it"):
            await runtime.ask("a", 1)
