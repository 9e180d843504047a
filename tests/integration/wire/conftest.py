"""Systems of three OS processes, one for each module of tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import pytest
import pytest_asyncio

from civitas import Runtime
from tests.integration.wire.agents import GATES, JOURNAL, RUNTIMES
from tests.integration.wire.outcomes import outcome

# None of it differs in environment B, and it takes minutes.
collect_ignore_glob = ["test_*.py"] if find_spec("crewai") else []

PLACES = {"r": None, "w": "worker", "v": "other"}
"""The OS processes by the letter that the names of their agents begin with."""

ROUTES = [
    pytest.param("r", "w", id="from the root to a worker"),
    pytest.param("w", "r", id="from a worker to the root"),
    pytest.param("w", "v", id="from a worker to another"),
]
"""Where an asker and an asked stand."""


def agent(name: str, kind: str = "Hand", process: str | None = None, **keys: Any) -> dict[str, Any]:
    """An agent as it stands in a topology."""
    entry = {"name": name, "type": f"tests.integration.wire.agents:{kind}", **keys}
    if process is not None:
        entry["process"] = process
    return {"agent": entry}


def everywhere(name: str, kind: str = "Hand", **keys: Any) -> Iterable[dict[str, Any]]:
    """The same agent in each OS process: `r_NAME`, `w_NAME`, `v_NAME`."""
    for letter, process in PLACES.items():
        yield agent(f"{letter}_{name}", kind, process, **keys)


def topology(*children: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """A topology whose agents may crash as often as they like."""
    return {
        "supervision": {
            "name": "top",
            "max_restarts": 10_000,
            "backoff": "none",
            "children": [
                *(agent(f"{letter}_keeper", "Keeper", at) for letter, at in PLACES.items()),
                *everywhere("one"),
                *children,
            ],
        },
        **keys,
    }


class System:
    """A running system, and what tests do with it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        RUNTIMES[:] = [runtime]
        JOURNAL.clear()  # that of the root is this process's, and outlives its system
        GATES.clear()

    async def ask(
        self, asker: str, to: str, payload: Any = None, message_type: str = "echo", **keys: Any
    ) -> dict[str, Any]:
        """Let the agent `asker` ask, and return what became of that."""
        order = {"to": to, "payload": payload, "message_type": message_type, **keys}
        return await self.tell(asker, "ask", order)

    async def tell(self, name: str, message_type: str, payload: Any = None, **keys: Any) -> Any:
        """Let an agent do something, and return its answer."""
        return (await self.runtime.ask(name, payload, message_type, **keys)).payload

    async def journal(self, name: str) -> list[Any]:
        """What the agent `name` wrote down."""
        return await self.tell(f"{name[0]}_keeper", "journal", name)

    async def wrote(self, name: str, entry: Any, times: int = 1) -> list[Any]:
        """Wait until the agent `name` wrote `entry` so often."""
        async with asyncio.timeout(10):
            while (journal := await self.journal(name)).count(entry) < times:
                await asyncio.sleep(0.005)
        return journal

    async def open(self, letter: str, gate: str) -> None:
        """Let those go who wait at a gate."""
        await self.tell(f"{letter}_keeper", "open", gate)

    async def outcome(self, asking: Any) -> dict[str, Any]:
        """What becomes of an ask from outside."""
        return await outcome(asking)

    def find(self, name: str) -> dict[str, Any]:
        """What the tree says of an agent or a supervisor."""
        return next(each for each in self.nodes() if each["name"] == name)

    def nodes(self) -> Iterable[dict[str, Any]]:
        """Everything in the tree."""
        waiting = [self.runtime.tree()]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node["children"]

    def told(self, *types: str) -> list[Any]:
        """The events of these types from now on."""
        events: list[Any] = []
        for type in types:
            self.runtime.on(type, events.append)
        return events


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def letter(letters: list[Any], reason: str, about: str = "") -> Any:
    """Wait for a dead letter of this reason; `about` stands in its text. Those of earlier tests may come, too."""

    def found() -> list[Any]:
        return [each for each in letters if each.reason == reason and about in each.message]

    await until(found)
    return found()[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(request: pytest.FixtureRequest) -> AsyncIterator[System]:
    """The system of this module's `TOPOLOGY`."""
    async with Runtime.from_config(request.module.TOPOLOGY) as runtime:
        yield System(runtime)
