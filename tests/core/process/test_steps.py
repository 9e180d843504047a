"""What steps ask of the StateStore."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    HandlerFailed,
    Happened,
    InMemoryStateStore,
    Message,
    Runtime,
    Supervisor,
)


class Counted(InMemoryStateStore):
    """Counts what it is asked about steps."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def get(self, key: str) -> dict[str, Any] | None:
        if key.startswith("civitas:step:"):
            self.asked.append("get")
        return await super().get(key)

    async def keys(self, prefix: str = "") -> list[str]:
        if prefix.startswith("civitas:step:"):
            self.asked.append("keys")
        return await super().keys(prefix)


class Stepping(AgentProcess):
    async def handle(self, message: Message) -> Message:
        results = [await self.step(f"step {each}", lambda: message.payload) for each in range(5)]
        results.append(await self.step("step 0", lambda: "not again"))
        return self.reply(results)


async def test_a_new_message_with_many_steps_asks_once_what_is_recorded() -> None:
    store = Counted()
    async with Runtime(Supervisor("root", children=[Stepping("a")]), state_store=store) as runtime:
        store.asked.clear()
        reply = await runtime.ask("a", 7)
        assert reply.payload == [7] * 6
        assert store.asked == ["keys", "get"]  # the one look is for the step made a second time
    assert await store.keys("civitas:step:") == []


class Sender:
    """The node that a message came from, and which is told in its own time that it is finished."""

    def __init__(self, *, is_there: bool = True) -> None:
        self.told, self.asked = asyncio.Event(), asyncio.Event()
        self.is_there = is_there

    def began(self, agent: str) -> None: ...
    def settled(self) -> None: ...
    def left(self) -> None: ...

    async def heard(self) -> bool:
        self.asked.set()
        await self.told.wait()
        return self.is_there


@pytest.mark.promise(id="SEM-1242")
@pytest.mark.parametrize("is_there", [True, False])
async def test_steps_are_kept_until_their_message_can_come_again_no_more(is_there: bool) -> None:
    """A process, or its root, that is killed before it could say that it is finished gets the message again."""
    store, sender = InMemoryStateStore(), Sender(is_there=is_there)

    class Once(AgentProcess):
        async def handle(self, message: Message) -> None:
            self._civitas_running().node.foreign[message.id] = sender
            await self.step("book", lambda: 1)

    agent = Once("a", delivery="at_least_once")
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        await runtime.send("a", None)
        async with asyncio.timeout(5):
            await sender.asked.wait()
        assert await store.keys("civitas:step:")
        sender.told.set()
    assert (await store.keys("civitas:step:") == []) is is_there


class Written(InMemoryStateStore):
    """Notes what is written of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    async def set(self, key: str, value: Any) -> None:
        if key.startswith("civitas:step:"):
            self.written.append(value)
        await super().set(key, value)


class Charging(AgentProcess):
    """Fails in its step as often as it is told, after what the step does outside or before it."""

    def __init__(self, name: str, log: list[str], known: Any, *, failures: int = 1) -> None:
        super().__init__(name, delivery="at_least_once")
        self.log, self.known, self.failures = log, known, failures

    async def charge(self) -> str:
        self.log.append(self.idempotency_key("charge"))
        if len(self.log) <= self.failures:
            raise ConnectionError("the answer was lost")
        return "charged"

    async def probe(self) -> Any:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known

    async def handle(self, message: Message) -> Message:
        probe = None if message.type == "without" else self.probe
        return self.reply(await self.step("charge", self.charge, probe=probe))


async def charged(
    known: Any, type: str = "with", *, failures: int = 1
) -> tuple[Any, list[str], list[Any]]:
    """What was answered, the idempotency keys of the runs of the step, and what was written of it."""
    log: list[str] = []
    store = Written()
    tree = Supervisor("root", [Charging("a", log, known, failures=failures)], backoff="none")
    async with Runtime(tree, state_store=store) as runtime:
        try:
            answer = (await runtime.ask("a", None, type)).payload
        except HandlerFailed as error:
            answer = error
    assert await store.keys("civitas:step:") == []
    return answer, log, store.written


@pytest.mark.promise(id="SEM-1681")
async def test_a_step_whose_end_is_unknown_is_run_again_with_the_same_key() -> None:
    answer, log, _ = await charged(None, "without")
    assert (answer, len(log), len(set(log))) == ("charged", 2, 1)


@pytest.mark.promise(id="SEM-1681")
async def test_a_step_that_its_probe_knows_to_be_done_is_not_run_again() -> None:
    answer, log, written = await charged(Happened("found"))
    assert (answer, len(log), written[-1]) == ("found", 1, {"result": "found"})


@pytest.mark.promise(id="SEM-1681")
async def test_a_step_may_have_been_done_without_a_result() -> None:
    answer, log, _ = await charged(Happened())
    assert (answer, len(log)) == (None, 1)


@pytest.mark.promise(id="SEM-1681")
async def test_a_step_that_its_probe_knows_not_to_be_done_is_run_again() -> None:
    answer, log, _ = await charged(None)
    assert (answer, len(log), len(set(log))) == ("charged", 2, 1)


@pytest.mark.promise(id="SEM-1682")
async def test_a_step_with_a_probe_costs_one_write_more() -> None:
    assert (await charged(None, failures=0))[2] == [{"begun": True}, {"result": "charged"}]
    assert (await charged(None, "without", failures=0))[2] == [{"result": "charged"}]


@pytest.mark.promise(id="SEM-1682")
@pytest.mark.parametrize(
    ("known", "said"), [(OSError("nobody answers"), "nobody answers"), (True, "civitas.Happened")]
)
async def test_a_step_is_not_run_again_while_its_probe_cannot_say(known: Any, said: str) -> None:
    answer, log, _ = await charged(known)
    assert said in str(answer)
    assert len(log) == 1


async def test_a_probe_that_is_no_function_is_refused_before_the_step_is_run() -> None:
    class Wrong(AgentProcess):
        async def handle(self, message: Message) -> None:
            await self.step("charge", print, probe=True)  # type: ignore[arg-type]

    async with Runtime(Supervisor("root", [Wrong("a")])) as runtime:
        with pytest.raises(HandlerFailed, match="probe of step"):
            await runtime.ask("a", None)
