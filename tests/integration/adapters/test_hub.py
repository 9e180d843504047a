"""One request through agents of three frameworks, in three OS processes and two environments."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from civitas import Message, Runtime
from civitas.demo.model_server import Answer, ModelServer, ToolCall
from tests.core.telemetry.support import Recorded
from tests.house.project import ROOT
from tests.integration.processes.system import until

CREW = ROOT / ".venv-crew"
# The guards of the tests switch it off, and with it the SDK's spans.
SPANS = {"OPENAI_AGENTS_DISABLE_TRACING": ""}
HUB = "tests.integration.adapters.hub"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),  # three imports of frameworks at once
    pytest.mark.skipif(
        not CREW.is_dir()
        or any(not importlib.util.find_spec(each) for each in ("agents", "langgraph")),
        reason="needs both environments beside each other",
    ),
]


class Team:
    """Says what the models of the three say."""

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        """What the model of the graph was sent, of each call."""
        self.may_write = threading.Event()
        self.may_write.set()
        self.writing = threading.Event()

    def __call__(self, body: dict[str, Any]) -> Answer:
        last = body["messages"][-1]
        tools = [each["function"]["name"] for each in body.get("tools", ())]
        if "transfer_to_research" in tools:
            return ToolCall("transfer_to_research")
        if "research" in tools:
            if last["role"] == "tool":
                return f"It says: {last['content']}"
            return ToolCall("research", {"input": "What do otters do?"})
        if "writer" in tools:
            self.told.append([str(each["content"]) for each in body["messages"]])
            if last["role"] == "tool":
                return f"Found: {last['content']}"
            return ToolCall("writer", {"topic": "otters"})
        self.writing.set()
        self.may_write.wait(30)
        return "Otters hold hands."


@pytest.fixture
def team() -> Iterator[Team]:
    made = Team()
    yield made
    made.may_write.set()


@pytest.fixture
def topology(tmp_path: Path, team: Team) -> Iterator[dict[str, Any]]:
    with ModelServer(team) as server:
        model = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "x"}
        # CrewAI writes to the user's folders.
        own = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "CREWAI_STORAGE_DIR": "hub"}
        children: list[dict[str, Any]] = [
            {"name": "clerk", "wrap": f"{HUB}.front:clerk", "process": "front"},
            {"name": "desk", "wrap": f"{HUB}.front:desk", "process": "front"},
            {"name": "research", "wrap": f"{HUB}.research:graph", "process": "graphs"},
            {"name": "writer", "wrap": f"{HUB}.writer:make_crew", "process": "crew"},
        ]
        yield {
            "processes": {
                "front": {"env": {**model, **SPANS}, "start_timeout": 60},
                "graphs": {"env": model, "start_timeout": 60},
                "crew": {"python": str(CREW), "env": {**model, **own}, "start_timeout": 60},
            },
            "runtime": {"drain_timeout": 5},
            "supervision": {"name": "root", "children": [{"agent": each} for each in children]},
        }


def path_to(name: str, spans: list[ReadableSpan]) -> list[str]:
    """The names from the root of its trace down to the span."""
    by_id = {span.context.span_id: span for span in spans if span.context}
    path = []
    span: ReadableSpan | None = next(each for each in spans if each.name == name)
    while span is not None:
        path.append(span.name)
        span = by_id.get(span.parent.span_id) if span.parent else None
    return path[::-1]


def traces(spans: list[ReadableSpan]) -> list[list[ReadableSpan]]:
    """The spans of each trace, in the order in which the traces began."""
    found: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        assert span.context is not None
        found.setdefault(span.context.trace_id, []).append(span)
    return list(found.values())


TO_THE_CREW = [
    "send research",
    "process research",
    "invoke_workflow research",
    "node tools",
    "execute_tool writer",
    "send writer",
    "process writer",
    "invoke_workflow writer",
    "task draft",
    "invoke_agent Author",
]


@pytest.mark.promise(id="SEM-980")
async def test_an_agent_hands_over_to_or_calls_a_graph_that_calls_a_crew_in_one_trace(
    team: Team, topology: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(monkeypatch)
    async with Runtime.from_config(topology) as runtime:
        for front in ("clerk", "desk"):
            reply = await runtime.ask(front, {"input": "What do otters do?"}, timeout=60)
            assert "Otters hold hands." in reply.payload["output"]
    assert team.told[0] == ["What do otters do?"]
    by_handoff, by_tool = traces(recorded.spans)
    assert path_to("invoke_agent Author", by_handoff) == [
        *("send clerk", "process clerk", "invoke_agent clerk", "invoke_agent research"),
        *TO_THE_CREW,
    ]
    assert path_to("invoke_agent Author", by_tool) == [
        *("send desk", "process desk", "invoke_agent desk"),
        *("invoke_agent desk", "execute_tool research"),
        *TO_THE_CREW,
    ]
    recorded.provider.shutdown()


@pytest.mark.promise(id="SEM-980")
async def test_what_an_agent_asked_of_others_ends_with_its_own_run(
    team: Team, topology: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    team.may_write.clear()
    recorded = Recorded(monkeypatch)
    async with Runtime.from_config(topology) as runtime:
        stream = runtime.stream("desk", {"input": "What do otters do?"}, timeout=60)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read(stream))
            await asyncio.to_thread(team.writing.wait, 60)
            reading.cancel()
        # The call of the crew's model, in its thread, is the only one that goes on.
        agents = ("writer", "research", "desk")
        await until(lambda: {f"process {each}" for each in agents} <= set(recorded.names))
        assert not team.may_write.is_set()
        team.may_write.set()
        reply = await runtime.ask("research", {"input": "What do otters do?"}, timeout=60)
    assert "Otters hold hands." in str(reply.payload)
    recorded.provider.shutdown()


async def read(stream: AsyncGenerator[Message]) -> None:
    async with contextlib.aclosing(stream):
        async for _ in stream:
            pass
