"""Functions that build a framework's object: where they are called, and what becomes of what they opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas.frameworks import wrap
from civitas.frameworks.wrapping import wrap_with
from civitas.plugins import PluginManager, hookimpl
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, ConversationPool, DynamicSupervisor, Supervisor
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.support import eventually

inside: ContextVar[str] = ContextVar("inside", default="")


class MachineAdapter:
    @hookimpl
    def civitas_wrap(self, obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
        return MachineAgent(name, machine=obj, **options) if isinstance(obj, Machine) else None


class Books:
    """Writes down what was opened and closed; each has a fresh machine."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.fails: dict[str, list[Exception]] = {}

    def open(self) -> Machine:
        asyncio.get_running_loop()  # as many clients do
        self.tasks.append(asyncio.current_task())
        self.entries.append("open")
        return Machine(**self.fails)

    def close(self) -> None:
        assert asyncio.current_task() is self.tasks[self.entries.count("close")]
        self.entries.append("close")

    async def close_later(self) -> None:
        await asyncio.sleep(0)
        self.close()

    def ways(self) -> dict[str, Callable[[], Any]]:
        async def coroutine() -> Any:
            await asyncio.sleep(0)
            return self.open(), self.close_later

        @asynccontextmanager
        async def manager() -> AsyncIterator[Machine]:
            token = inside.set("entered")
            async with asyncio.timeout(30):  # it ends only in the task in which it began
                yield self.open()
            inside.reset(token)  # and so does this
            self.close()

        @contextmanager
        def plain_manager() -> Iterator[Machine]:
            yield self.open()
            self.close()

        async def manager_later() -> Any:
            return manager()

        return {
            "function and closer": lambda: (self.open(), self.close),
            "coroutine and async closer": coroutine,
            "async context manager": manager,
            "context manager": plain_manager,
            "coroutine with a context manager": manager_later,
        }


@pytest.fixture
def books() -> Books:
    return Books()


WAYS = list(Books().ways())
PLUGINS = PluginManager([MachineAdapter()], discover=False)


def direct(function: Any, **options: Any) -> AgentProcess:
    return MachineAgent("m", machine=function, **options)


def wrapped(function: Any, **options: Any) -> Any:
    return wrap_with(PLUGINS, function, "m", options)


def running(child: ChildSpec) -> Runtime:
    return Runtime(Supervisor("root", [child], max_restarts=9, backoff="none"))


@pytest.mark.promise(id="SEM-1109")
@pytest.mark.promise(id="SEM-1110")
@pytest.mark.parametrize("make", [direct, wrapped])
@pytest.mark.parametrize("way", WAYS)
async def test_what_a_function_opens_is_closed_at_the_stop_in_the_same_task(
    books: Books, way: str, make: Any
) -> None:
    agent = make(books.ways()[way])
    assert books.entries == []  # it waits for the loop, also where one runs already
    async with running(agent) as runtime:
        assert books.entries == ["open"]
        for _ in range(2):
            assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]
        task = books.tasks[0]
        assert task is not None
        assert task.get_name() == "civitas:m"
    assert books.entries == ["open", "close"]


@pytest.mark.promise(id="SEM-1110")
@pytest.mark.parametrize("how", ["crash", "restart", "kill"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_restart_closes_the_old_and_builds_anew(books: Books, way: str, how: str) -> None:
    books.fails["fail"] = [MemoryError()]
    agent = wrapped(books.ways()[way], **({"shutdown_timeout": 0} if how == "kill" else {}))
    async with running(agent) as runtime:
        if how == "crash":
            with pytest.raises(HandlerFailed):
                await runtime.ask("m", ["fail"])
        else:
            await runtime.restart("m")
        assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]
        assert books.entries == ["open", "close", "open"]
    assert books.entries == ["open", "close"] * 2


@pytest.mark.promise(id="SEM-1110")
@pytest.mark.parametrize("way", WAYS)
async def test_a_start_that_fails_closes_what_it_had_opened(books: Books, way: str) -> None:
    class Broken(MachineAgent):
        async def on_start(self) -> None:
            raise ValueError("no")

    with pytest.raises(StartFailed, match="ValueError"):
        await running(Broken("m", machine=books.ways()[way])).start()
    assert books.entries == ["open", "close"]


@pytest.mark.promise(id="SEM-1110")
async def test_each_conversation_of_a_pool_has_its_own_and_closes_it_when_it_sleeps(
    books: Books,
) -> None:
    pool = wrapped(books.ways()["async context manager"], per_conversation=True, idle_timeout=0.01)
    assert isinstance(pool, ConversationPool)
    async with running(pool) as runtime:
        await runtime.ask("m", ["go"], conversation="ann")
        await runtime.ask("m", ["go"], conversation="bob")
        assert books.entries[:2] == ["open", "open"]
        await eventually(lambda: books.entries.count("close") == 2)


@pytest.mark.promise(id="SEM-1110")
async def test_a_child_that_comes_and_goes_closes_its_own(books: Books) -> None:
    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        await runtime.start_child("sessions", wrapped(books.ways()["function and closer"]))
        await runtime.ask("m", ["go"])
        await runtime.terminate_child("sessions", "m")
        assert books.entries == ["open", "close"]


@pytest.mark.promise(id="SEM-1110")
async def test_a_closer_that_fails_is_logged_and_the_agent_ends(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise OSError("the file is gone")

    async with running(wrapped(lambda: (books.open(), fails))):
        pass
    assert "agent 'm': what it had opened could not be closed" in caplog.text


@pytest.mark.promise(id="SEM-1110")
async def test_a_closer_that_hangs_is_given_up_after_the_shutdown_timeout(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    hangs = asyncio.Event()
    async with running(wrapped(lambda: (books.open(), hangs.wait), shutdown_timeout=0.05)):
        pass
    assert hangs.is_set() is False


def nothing() -> Any:
    return []


def raises() -> Any:
    raise LookupError("no key for the model")


async def yields() -> AsyncIterator[Machine]:
    yield Machine()


def yields_plainly() -> Iterator[Machine]:
    yield Machine()


@pytest.mark.promise(id="SEM-1109")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (nothing, r"type builtins\.list \(built by nothing\)"),
        (raises, "LookupError: no key for the model"),
        (yields, r"put @contextlib\.asynccontextmanager above it"),
        (yields_plainly, r"put @contextlib\.contextmanager above it"),
        (lambda: MachineAgent("x", machine=Machine()), "is already an agent"),
        (lambda: (Machine(), 5), r"type builtins\.tuple"),
    ],
)
async def test_what_a_function_does_wrong_is_a_failed_start_that_says_so(
    function: Any, words: str
) -> None:
    with pytest.raises(StartFailed, match=words):
        await running(wrapped(function)).start()


def test_a_function_that_wants_arguments_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="cannot be called without arguments"):
        wrap(lambda model: model, name="m")


def test_a_wrong_keyword_of_any_agent_is_refused_at_once(books: Books) -> None:
    with pytest.raises(ConfigurationError, match=r"'m'\): mailbox_size"):
        wrapped(books.open, mailbox_size=0)
    with pytest.raises(ConfigurationError, match="durable must be True or False"):
        wrapped(books.open, durable="yes")


async def test_the_options_reach_the_adapter_of_what_was_built(books: Books) -> None:
    with pytest.raises(StartFailed, match=r"MachineAgent\('m'\) takes no 'machin'"):
        await running(wrapped(lambda: (books.open(), books.close), machin=1)).start()
    assert books.entries == ["open", "close"]
