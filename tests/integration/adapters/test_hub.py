"""One request through agents of three frameworks, in three OS processes and two environments."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
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
    pytest.mark.asyncio(loop_scope="module"),
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


class Hub:
    """The running system of the tests below, which imports three frameworks once for all of them."""

    def __init__(
        self, runtime: Runtime, team: Team, models: ModelServer, recorded: Recorded
    ) -> None:
        self.runtime = runtime
        self.team = team
        self.models = models
        self.recorded = recorded


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    team, folder = Team(), str(tmp_path_factory.mktemp("hub"))
    with ModelServer(team) as server, pytest.MonkeyPatch.context() as patch:
        model = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "x"}
        # CrewAI writes to the user's folders.
        own = {"HOME": folder, "XDG_DATA_HOME": folder, "CREWAI_STORAGE_DIR": "hub"}
        children: list[dict[str, Any]] = [
            {"name": "clerk", "wrap": f"{HUB}.front:clerk", "process": "front"},
            {"name": "desk", "wrap": f"{HUB}.front:desk", "process": "front"},
            {"name": "research", "wrap": f"{HUB}.research:graph", "process": "graphs"},
            {"name": "writer", "wrap": f"{HUB}.writer:make_crew", "process": "crew"},
        ]
        topology = {
            "processes": {
                "front": {"env": {**model, **SPANS}, "start_timeout": 60},
                "graphs": {"env": model, "start_timeout": 60},
                "crew": {"python": str(CREW), "env": {**model, **own}, "start_timeout": 60},
            },
            "runtime": {"drain_timeout": 5},
            "supervision": {"name": "root", "children": [{"agent": each} for each in children]},
        }
        recorded = Recorded(patch)
        async with Runtime.from_config(topology) as runtime:
            yield Hub(runtime, team, server, recorded)
        recorded.provider.shutdown()


@pytest.fixture
def hub(started: Hub) -> Iterator[Hub]:
    started.recorded.forget()
    started.team.told.clear()
    started.team.writing.clear()
    yield started
    started.team.may_write.set()
    # Clients keep their connections open, and each has a thread here, which no test may leave behind.
    assert started.models._server is not None
    started.models._server.close_connections()


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
    hub: Hub,
) -> None:
    for front in ("clerk", "desk"):
        reply = await hub.runtime.ask(front, {"input": "What do otters do?"}, timeout=60)
        assert "Otters hold hands." in reply.payload["output"]
    handoff = [
        *("send clerk", "process clerk", "invoke_agent clerk", "invoke_agent research"),
        *TO_THE_CREW,
    ]
    tool = [
        *("send desk", "process desk", "invoke_agent desk"),
        *("invoke_agent desk", "execute_tool research"),
        *TO_THE_CREW,
    ]
    # Those of other processes arrive a moment later.
    await until(lambda: Counter(handoff + tool) <= Counter(hub.recorded.names))
    assert hub.team.told[0] == ["What do otters do?"]
    by_handoff, by_tool = traces(hub.recorded.spans)
    assert path_to("invoke_agent Author", by_handoff) == handoff
    assert path_to("invoke_agent Author", by_tool) == tool


@pytest.mark.promise(id="SEM-980")
async def test_what_an_agent_asked_of_others_ends_with_its_own_run(hub: Hub) -> None:
    hub.team.may_write.clear()
    stream = hub.runtime.stream("desk", {"input": "What do otters do?"}, timeout=60)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(stream))
        await asyncio.to_thread(hub.team.writing.wait, 60)
        reading.cancel()
    # The call of the crew's model, in its thread, is the only one that goes on.
    agents = ("writer", "research", "desk")
    await until(lambda: {f"process {each}" for each in agents} <= set(hub.recorded.names))
    assert not hub.team.may_write.is_set()
    hub.team.may_write.set()
    reply = await hub.runtime.ask("research", {"input": "What do otters do?"}, timeout=60)
    assert "Otters hold hands." in str(reply.payload)


async def read(stream: AsyncGenerator[Message]) -> None:
    async with contextlib.aclosing(stream):
        async for _ in stream:
            pass
