"""Fixtures of these tests."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its import is full of them
    from crewai import LLM
    from crewai.events import crewai_event_bus

from civitas.demo.model_server import ModelServer, Script
from tests.core.frameworks.support import spans

__all__ = ["scripted", "spans"]


@pytest.fixture(autouse=True, scope="session")
def _event_bus() -> None:
    """Start the threads that CrewAI's event bus keeps for the life of the process, all of them."""
    crewai_event_bus._ensure_executor_initialized()
    pool = crewai_event_bus._sync_executor
    together = Barrier(pool._max_workers + 1)
    for _ in range(pool._max_workers):
        pool.submit(together.wait)
    together.wait(timeout=10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first that needs it the time to import the database: seconds, more on a busy machine."""
    for item in items:
        if "lancedb" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(90))


@pytest.fixture
def scripted_server() -> Iterator[Callable[[Script], tuple[Any, ModelServer]]]:
    """A function from a script to an LLM that says it, and its server."""
    with ExitStack() as stack:

        def llm(script: Script) -> tuple[Any, ModelServer]:
            server = stack.enter_context(ModelServer(script))
            made: Any = LLM(model="openai/m1", base_url=server.url, api_key="x", max_retries=0)
            stack.callback(made._client.close)  # CrewAI itself never closes it
            return made, server

        yield llm


@pytest.fixture
def scripted(scripted_server: Callable[[Script], tuple[Any, ModelServer]]) -> Callable[..., Any]:
    """A function from a script to an LLM that says it."""
    return lambda script: scripted_server(script)[0]


@pytest.fixture(scope="session")
def lancedb(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Start the thread that the database of CrewAI's memory keeps for the life of the process; each flow has one."""
    import lancedb

    lancedb.connect(tmp_path_factory.mktemp("lancedb"))
