"""Stores and models that a function builds, and arguments of a runtime that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import civitas
from civitas.errors import ConfigurationError, StartFailed
from civitas.message import Message
from civitas.models import ModelResponse
from civitas.plugins import PluginManager
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.supervision import Supervisor


class Uses(AgentProcess):
    """Counts in its state, and asks the model where there is one."""

    async def handle(self, message: Message) -> Message:
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        said = "" if self.llm is None else (await self.llm.chat("m", [])).content
        return self.reply([self.state["n"], said])


class Model:
    async def chat(self, model: str, messages: Any, tools: Any = None) -> ModelResponse:
        return ModelResponse("hello")


class Books(list[str]):
    """What was opened and closed."""

    def open(self, made: Any) -> Any:
        asyncio.get_running_loop()
        self.append("open")
        return made

    @asynccontextmanager
    async def managed(self, made: Any) -> AsyncIterator[Any]:
        async with asyncio.timeout(60):  # ends only in the task in which it began
            yield self.open(made)
        self.append("close")

    def ways(self, make: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
        async def coroutine() -> Any:
            return self.open(make()), lambda: self.append("close")

        return {
            "manager": lambda: self.managed(make()),
            "coroutine and closer": coroutine,
            "function and closer": lambda: (self.open(make()), lambda: self.append("close")),
        }


WAYS = list(Books().ways(Model))


@pytest.mark.promise(id="SEM-1113")
@pytest.mark.parametrize("way", WAYS)
async def test_a_store_and_a_model_are_built_at_the_start_and_closed_at_the_stop(
    way: str, tmp_path: Path
) -> None:
    stores, models = Books(), Books()
    runtime = Runtime(
        Supervisor("root", [Uses("a")]),
        state_store=stores.ways(lambda: SQLiteStateStore(tmp_path / "x.db"))[way],
        model_provider=models.ways(Model)[way],
    )
    for count in (1, 2):  # each start builds anew
        assert (len(stores), len(models)) == ((count - 1) * 2,) * 2
        await asyncio.create_task(runtime.start())
        assert (await runtime.ask("a", 1)).payload == [count, "hello"]
        await asyncio.create_task(runtime.stop())
        assert stores == models == ["open", "close"] * count


@pytest.mark.promise(id="SEM-1113")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: 5, "state_store must be an object with get, set, delete"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: (Model(), print), "which has no get"),
    ],
)
async def test_a_function_that_builds_no_store_is_a_failed_start(function: Any, words: str) -> None:
    with pytest.raises(StartFailed, match=words):
        await Runtime(Supervisor("root", [Uses("a")]), state_store=function).start()


@pytest.mark.promise(id="SEM-1104")
@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (
            {"state_store": "x.db"},
            r"state_store must be .*got 'x\.db'.* Write SQLiteStateStore\(path\)",
        ),
        ({"state_store": SQLiteStateStore}, r"is a class; write SQLiteStateStore\(\.\.\.\)"),
        ({"model_provider": "gpt"}, "model_provider must be an object with chat.*got 'gpt'"),
        ({"model_provider": 5}, "model_provider must be an object with chat.*got 5"),
    ],
)
def test_what_is_no_store_and_no_model_is_refused_with_what_is(keywords: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Runtime(Supervisor("root"), **keywords)


@pytest.mark.promise(id="SEM-1104")
@pytest.mark.parametrize(("type", "callback"), [("crashed", "print"), ("crashed", None)])
def test_a_callback_is_a_function(type: str, callback: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"runtime\.on\('crashed', \.\.\.\) takes a function"
    ):
        Runtime(Supervisor("root")).on(type, callback)


class Plugin:
    """Gives functions in the place of classes."""

    def __init__(self, books: Books) -> None:
        self.books = books

    @civitas.hookimpl
    def civitas_state_stores(self) -> dict[str, Any]:
        def kept(*, at: str = "memory") -> Any:
            return self.books.managed(InMemoryStateStore())

        return {"kept": kept}

    @civitas.hookimpl
    def civitas_model_providers(self) -> dict[str, Any]:
        async def scripted(*, answer: str) -> Any:
            return self.books.open(Model()), lambda: self.books.append("close")

        return {"scripted": scripted}


TOPOLOGY: dict[str, Any] = {
    "state": {"type": "kept", "at": "here"},
    "model": {"type": "scripted", "answer": "x"},
    "supervision": {"name": "root", "children": [{"agent": {"name": "a", "type": "Uses"}}]},
}


@pytest.mark.promise(id="SEM-1113")
def test_a_plugin_may_give_functions_that_build_stores_and_models() -> None:
    books = Books()
    runtime = Runtime.from_config(
        TOPOLOGY, agent_classes={"Uses": Uses}, plugins=[Plugin(books)]
    )  # no loop runs yet
    assert books == []

    async def ask() -> Any:
        async with runtime:
            return (await runtime.ask("a", 1)).payload

    assert asyncio.run(ask()) == [1, "hello"]
    assert books == ["open", "open", "close", "close"]


def test_a_wrong_keyword_of_such_a_function_is_named() -> None:
    wrong = {**TOPOLOGY, "state": {"type": "kept", "att": "here"}}
    with pytest.raises(ConfigurationError, match="did you mean 'at'"):
        Runtime.from_config(wrong, agent_classes={"Uses": Uses}, plugins=[Plugin(Books())])
    assert PluginManager([Plugin(Books())], discover=False).state_stores()["kept"]
