"""`civitas topology diff --runs`: the runs that a deployment touches, found in the state store."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from civitas import Runtime, Supervisor
from civitas.cli import main
from civitas.state import SQLiteStateStore
from civitas_langgraph import LangGraphAgent
from tests.core.support import Actor, Journal
from tests.langgraph.test_changes import Nodes

STATE = "name: shop\nstate: {type: sqlite, path: state.db}\n"
MODULE = """
    from tests.langgraph.test_changes import Nodes

    graph = Nodes().line("draft", "send")
    asking = Nodes().line("ask", "post")

    def make():
        return asking
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the topologies, their module and their store are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "deployed.py").write_text(dedent(MODULE))
    yield tmp_path
    sys.modules.pop("deployed", None)
    sys.path[:] = [each for each in sys.path if each != str(tmp_path)]


@asynccontextmanager
async def system(folder: Path) -> AsyncIterator[None]:
    """A run in hand of `writer`, one behind it, one of `asker` that waits, one in hand of `old`."""
    nodes, journal = Nodes(), Journal()
    nodes.hangs_at = "send"
    more: dict[str, Any] = {"durable": True, "shutdown_timeout": 0}
    children = [
        LangGraphAgent("writer", graph=nodes.line("draft", "send"), **more),
        LangGraphAgent("asker", graph=Nodes().line("ask", "send"), **more),
        Actor("old", journal, delivery="durable", shutdown_timeout=0),
    ]
    store = partial(SQLiteStateStore, folder / "state.db")
    runtime = Runtime(Supervisor("root", children), state_store=store, drain_timeout=0.01)
    async with runtime:
        await runtime.send("writer", {"got": []}, run="w1")
        await nodes.began.wait()
        await runtime.send("writer", {"got": []}, run="w2")
        await runtime.ask("asker", {"got": []}, run="q")
        await runtime.send("old", None, "hold", run="o")
        await journal.until("hold old")
        yield


def topology(folder: Path, *children: str) -> Path:
    file = folder / "topology.yaml"
    file.write_text(STATE + f"supervision: {{children: [{', '.join(children)}]}}\n")
    return file


Called = Callable[..., Awaitable[Any]]


@pytest.fixture
def diff(capsys: pytest.CaptureFixture[str]) -> Called:
    """Call `civitas topology diff --runs` beside the event loop; its exit code, and what it prints."""

    async def call(after: Path, *, as_json: bool = True) -> Any:
        capsys.readouterr()
        options = ["--runs", *(["--json"] if as_json else [])]
        code = await asyncio.to_thread(main, ["topology", "diff", *options, str(after)])
        said = capsys.readouterr()
        if not as_json:
            return " ".join((said.out + said.err).split())
        return code, {each["run"]: each for each in json.loads(said.out)}

    return call


async def test_what_is_gone_changed_or_not_durable_is_listed_while_the_system_runs(folder, diff):
    after = topology(
        folder,
        "agent: {name: writer, wrap: 'deployed:graph'}",
        "agent: {name: asker, wrap: 'deployed:make', durable: true}",
    )
    async with system(folder):
        code, found = await diff(after)
    assert (code, list(found)) == (1, ["w1", "w2", "q", "o"])
    assert found["w1"]["then"] == found["w2"]["then"] == found["o"]["then"] == "stays"
    assert found["w1"]["differences"] == ["agent 'writer' is not durable any more"]
    assert found["o"]["differences"] == ["agent 'old' is gone"]
    assert (found["q"]["then"], found["q"]["status"]) == ("refuse", "waiting")
    assert "node 'send' is gone" in found["q"]["differences"]


@pytest.mark.promise(id="SEM-1693")
async def test_what_on_change_will_do_is_told_when_the_system_has_ended(folder, diff):
    async with system(folder):
        pass
    on_change = "durable: true, on_change: go_on"
    after = topology(
        folder,
        "agent: {name: writer, wrap: 'deployed:graph', durable: true}",
        f"agent: {{name: asker, wrap: 'deployed:asking', {on_change}}}",
        "agent: {name: old, type: 'tests.core.support:Actor', delivery: durable, args: {journal: 0}}",
    )
    code, found = await diff(after)
    assert (code, list(found)) == (1, ["q"])
    assert found["q"]["then"] == "go_on"
    assert "node 'send' is gone" in await diff(after, as_json=False)


async def test_nothing_is_touched_where_nothing_differs(folder, diff):
    async with system(folder):
        pass
    (folder / "deployed.py").write_text(dedent(MODULE).replace("post", "send"))
    after = topology(
        folder,
        "agent: {name: writer, wrap: 'deployed:graph', durable: true}",
        "agent: {name: asker, wrap: 'deployed:asking', durable: true}",
        "agent: {name: old, type: 'tests.core.support:Actor', delivery: durable, args: {journal: 0}}",
    )
    assert await diff(after) == (0, {})
    assert "4 runs under way or waiting" in await diff(after, as_json=False)


def test_the_second_topology_may_be_left_out_only_with_runs(folder, capsys):
    assert main(["topology", "diff", str(topology(folder))]) == 2
    assert "name the topology after" in capsys.readouterr().err
