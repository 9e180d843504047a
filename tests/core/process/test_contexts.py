"""Context variables: what a handler sets is for its message alone."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from typing import Any

import pytest

from civitas.errors import AgentTerminated, AskTimeout, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import error_of, eventually

user: ContextVar[Any] = ContextVar("user", default=None)
tenant: ContextVar[Any] = ContextVar("tenant", default=None)


class Sets(AgentProcess):
    """Sets `user` in every place where its code runs for a message; answers what it saw at first."""

    async def on_start(self) -> None:
        tenant.set("acme")
        self.seen: list[Any] = []

    async def handle(self, message: Message) -> Message:
        before = user.get()
        self.seen.append(before)
        where = message.payload
        if where in ("handle", "retry"):
            user.set(where)
        if where == "step":
            await self.step("one", self.in_step)
        if where == "task":
            await asyncio.create_task(self.in_step())
            assert user.get() is None
        await asyncio.sleep(0)
        assert user.get() == (where if where in ("handle", "retry", "step") else before)
        assert tenant.get() == "acme"
        if where in ("on_error", "retry") and message.attempt < 2:
            raise ValueError(where)
        return self.reply([before, message.attempt])

    async def in_step(self) -> None:
        user.set("step")

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        if message.payload == "retry":
            assert user.get() == "retry"  # it sees what the attempt that failed had set
            return ErrorAction.RETRY
        user.set("on_error")
        return ErrorAction.SKIP


class SetsInThread(Sets):
    """The same with a plain `def`."""

    def handle(self, message: Message) -> Message:  # type: ignore[override]
        before = user.get()
        user.set(message.payload)
        return self.reply([before, message.attempt])


@pytest.mark.promise(id="SEM-1105")
@pytest.mark.parametrize("keywords", [{}, {"handle_timeout": 30}], ids=["plain", "timeout"])
@pytest.mark.parametrize("kind", [Sets, SetsInThread])
@pytest.mark.parametrize("where", ["handle", "on_error", "retry", "step", "task"])
async def test_what_a_handler_set_is_not_seen_by_the_next_one(
    where: str, kind: Any, keywords: Any
) -> None:
    async with Runtime(Supervisor("root", [kind("a", **keywords)])) as runtime:
        for _ in range(3):
            asking = runtime.ask("a", where)
            if where == "on_error" and kind is Sets:
                assert "ValueError" in str(await error_of(asking))
            else:
                await asking
            assert (await runtime.ask("a", "")).payload == [None, 0]


@pytest.mark.promise(id="SEM-1105")
async def test_each_further_attempt_begins_as_the_first_did() -> None:
    agent = Sets("a")
    async with Runtime(Supervisor("root", [agent])) as runtime:
        for _ in range(2):
            assert (await runtime.ask("a", "retry")).payload == [None, 2]
        assert agent.seen == [None] * 6


@pytest.mark.promise(id="SEM-1105")
@pytest.mark.parametrize("pool", [False, True])
async def test_what_on_start_set_is_seen_by_every_handler(pool: bool) -> None:
    class Starts(AgentProcess):
        def on_start(self) -> None:  # type: ignore[override]
            tenant.set("acme")

        async def handle(self, message: Message) -> Message:
            seen = tenant.get()
            tenant.set("another")
            return self.reply(seen)

    child = ConversationPool("a", Starts("a")) if pool else Starts("a")
    async with Runtime(Supervisor("root", [child])) as runtime:
        for _ in range(3):
            assert (await runtime.ask("a", 1, conversation="c")).payload == "acme"


@pytest.mark.promise(id="SEM-1105")
async def test_on_stop_may_take_back_what_on_start_set() -> None:
    stopped: list[Any] = []

    class Sober(Sets):
        token: Token[Any]

        async def on_start(self) -> None:
            await super().on_start()
            self.token = tenant.set("acme")

        async def on_stop(self) -> None:
            tenant.reset(self.token)  # a ValueError in any other context
            stopped.append(tenant.get())

    async with Runtime(Supervisor("root", [Sober("a")])) as runtime:
        for _ in range(2):
            await runtime.ask("a", "handle")
    assert stopped == ["acme"]


class Odd:
    """What a variable may hold, and cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.promise(id="SEM-1105")
async def test_values_that_cannot_be_compared_do_no_harm() -> None:
    class Holds(AgentProcess):
        async def on_start(self) -> None:
            user.set(Odd())

        async def handle(self, message: Message) -> Message:
            seen = tenant.get()
            user.set(Odd())
            tenant.set(message.payload)
            return self.reply(seen)

    async with Runtime(Supervisor("root", [Holds("a")])) as runtime:
        assert [(await runtime.ask("a", n)).payload for n in range(3)] == [None] * 3


class Waits(AgentProcess):
    """Sets a variable, and waits in the second message."""

    cancelled = 0

    async def handle(self, message: Message) -> Message:
        user.set(message.payload)
        if message.payload == "wait":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                Waits.cancelled += 1
                raise
        if message.payload == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        if message.payload == "exit":
            raise GeneratorExit
        return self.reply(1)


async def test_a_handler_in_a_context_of_its_own_is_cancelled_and_fails_as_any_other() -> None:
    Waits.cancelled = 0
    child = Waits("a", cancel_on_timeout=True, shutdown_timeout=0)
    async with Runtime(Supervisor("root", [child], max_restarts=9, backoff="none")) as runtime:
        await runtime.ask("a", "set")  # from now on each has one of its own
        assert isinstance(await error_of(runtime.ask("a", "wait", timeout=0.01)), AskTimeout)
        await eventually(lambda: Waits.cancelled == 1)
        assert (await runtime.ask("a", "set")).payload == 1
        for how in ("cancel", "exit"):
            error = await error_of(runtime.ask("a", how))
            assert isinstance(error, HandlerFailed)
            await runtime.ask("a", "set")
            assert (await runtime.ask("a", "set")).payload == 1
        asking = asyncio.create_task(error_of(runtime.ask("a", "wait")))
        await eventually(lambda: runtime._node.registry["a"].busy)
        await asyncio.sleep(0)
        await runtime.terminate_child("root", "a")
        assert isinstance(await asking, AgentTerminated)
        assert Waits.cancelled == 2


class Spawns(Sets):
    """Sets `user`, and wakes or spawns others."""

    async def handle(self, message: Message) -> Message:
        user.set(message.payload)
        await self.spawn(Sets, message.payload)
        asked = [await self.ask(to, "") for to in (message.payload, "pool")]
        return self.reply([each.payload[0] for each in asked])


@pytest.mark.promise(id="SEM-1105")
async def test_who_is_spawned_or_woken_by_a_handler_sees_nothing_of_what_it_set() -> None:
    pool = ConversationPool("pool", Sets("each"))
    root = Supervisor("root", [Spawns("a"), pool, DynamicSupervisor("sessions")])
    user.set("the application")
    async with Runtime(root) as runtime:
        user.set("nobody")
        for name in ("ann", "bob"):
            reply = await runtime.ask("a", name, conversation=name)
            assert reply.payload == ["the application"] * 2
