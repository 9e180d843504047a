"""The sample stores on real servers, which are killed, held up, and cut off at bad moments."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    HandlerFailed,
    Runtime,
    StateConflict,
    StateStoreError,
    Supervisor,
)
from civitas.state import LongRecord
from tests.core.plugins.samples import ON_SERVERS, SAMPLES, run, run_own_tests

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not find_spec("psycopg"), reason="environment A has the clients"),
]

of_its_own = pytest.mark.parametrize(
    "kind", [f"own_{name}" for name in ON_SERVERS], indirect=True, ids=list(ON_SERVERS)
)
"""With a server that the test may kill."""

SHORT = 1.0
"""Seconds that a store waits for its server: so long that it connects on a busy machine, too."""


@asynccontextmanager
async def between(url: str, folder: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    """A way to the server. What stands in the list cuts the next answer off, and is "lost" then."""
    before, _, path = url.rpartition("host=" if "host=" in url else "unix://")
    name = "/.s.PGSQL.5432" if "host=" in url else ""
    cut: list[Any] = []

    async def forward(reader: Any, writer: Any, answers: bool) -> None:
        with_answer = False
        while data := await reader.read(65536):
            if answers and cut:
                with_answer = True
                break
            writer.write(data)
        writer.close()
        if with_answer:
            cut.append("lost")

    async def serve(reader: Any, writer: Any) -> None:
        to_server, from_server = await asyncio.open_unix_connection(path + name)
        async with asyncio.TaskGroup() as group:
            group.create_task(forward(reader, from_server, False))
            group.create_task(forward(to_server, writer, True))

    here = folder / "redis" if not name else folder
    file = str(here) + name
    server = await asyncio.start_unix_server(serve, file)
    yield f"{before}{'host=' if name else 'unix://'}{here}", cut
    server.close()
    await server.wait_closed()


@pytest.mark.promise(id="SEM-1851")
def test_each_passes_the_suite_of_state_stores(python, tmp_path, redis_server, postgres_server):
    samples = [each for each in SAMPLES if each.name.removeprefix("plugin-") in ON_SERVERS]
    urls = {"REDIS_URL": redis_server.url, "POSTGRES_URL": postgres_server.url}
    passed = run_own_tests(python, tmp_path, *samples, **urls)
    assert len(passed) == 2
    assert min(passed.values()) > 50, "with revisions and batches"


@of_its_own
@pytest.mark.promise(id="SEM-1852")
async def test_a_server_that_is_killed_is_waited_for_and_has_all_that_was_acknowledged(
    kind, make_store
):
    store = make_store()
    acknowledged = dict.fromkeys(range(8), 0)
    killed = asyncio.Event()

    async def write(name: int) -> None:
        revision = 0
        for n in itertools.count(1):
            revision = await store.compare_and_set(f"agent-{name}", {"n": n}, revision)
            await store.write({f"a-{name}": {"n": n}, f"b-{name}": {"n": n}})
            acknowledged[name] = n
            if killed.is_set() and n > after[name]:
                return

    writers = [asyncio.ensure_future(write(name)) for name in acknowledged]
    while min(acknowledged.values()) < 5:
        await asyncio.sleep(0.001)
    kind.server.kill()
    after = {name: n + 2 for name, n in acknowledged.items()}
    killed.set()
    await asyncio.to_thread(kind.server.start)
    await asyncio.gather(*writers)
    again = make_store()
    for name, n in acknowledged.items():
        for key in f"agent-{name}", f"a-{name}", f"b-{name}":
            assert await again.get(key) == {"n": n}


@of_its_own
@pytest.mark.promise(id="SEM-1852")
async def test_one_that_stays_away_is_named_with_what_to_do(kind, make_store):
    store = make_store(timeout=SHORT)
    await store.set("a", {"n": 1})
    kind.server.kill()
    try:
        with pytest.raises(StateStoreError, match="cannot be reached, or did not answer") as caught:
            await store.set("a", {"n": 2})
    finally:
        await asyncio.to_thread(kind.server.start)
    assert caught.value.transient
    assert caught.value.key == "a"
    assert store.where in str(caught.value)
    assert await store.get("a") == {"n": 1}
    await store.set("a", {"n": 3})
    assert await store.get("a") == {"n": 3}


@pytest.mark.promise(id="SEM-1852")
async def test_one_that_is_held_up_is_given_up_in_time(kind, make_store):
    store = make_store(timeout=SHORT)
    await store.set("a", {"n": 1})
    pids = [kind.server.pid]
    if kind.name == "postgres":
        pids += [pid for (pid,) in kind.server.sql("SELECT pid FROM pg_stat_activity")]
    held = [pid for pid in pids if _signalled(pid, signal.SIGSTOP)]
    try:
        with pytest.raises(StateStoreError, match="did not answer"):
            await asyncio.wait_for(store.set("a", {"n": 2}), 5)
    finally:
        for pid in held:
            _signalled(pid, signal.SIGCONT)
    await store.set("a", {"n": 3})
    assert await store.get("a") == {"n": 3}


@pytest.mark.promise(id="SEM-1852")
@pytest.mark.parametrize("how", ["compare_and_set", "write"])
async def test_a_write_whose_answer_was_lost_is_not_taken_for_that_of_somebody_else(
    kind, make_store, tmp_path, how
):
    async with between(kind.server.url, tmp_path) as (url, cut):
        store = make_store(url)
        await store.set("gone", {})
        _, gone = await store.get_with_revision("gone")
        revision = await store.compare_and_set("a", {"n": 1}, 0)
        cut.append("now")
        if how == "write":
            writing = store.write(
                {"a": {"n": 2}, "gone": None}, expect={"a": revision, "gone": gone}
            )
        else:
            writing = store.compare_and_set("a", {"n": 2}, revision)
        call = asyncio.ensure_future(writing)
        while "lost" not in cut:
            await asyncio.sleep(0.001)
        cut.clear()
        await call
        assert await store.get("a") == {"n": 2}
        await store.close()


async def test_a_write_that_was_on_its_way_for_long_does_not_undo_a_later_one(kind, make_store):
    store, other = make_store(), make_store()
    early, late = next(store._revisions), next(store._revisions)
    store._revisions = iter([late, early])
    await store.set("a", {"n": "late"})
    await store.set("a", {"n": "early"})
    assert await store.get("a") == {"n": "late"}
    await other.set("a", {"n": "of another store"})
    assert await store.get("a") == {"n": "of another store"}


async def test_a_caller_that_is_cancelled_leaves_the_order_of_writes_as_it_is(kind, make_store):
    store = make_store()
    calls = [asyncio.ensure_future(store.set("a", {"n": n})) for n in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await store.get("a") == {"n": 19}


async def test_two_that_each_rely_on_what_the_other_one_adds_do_not_both_write(kind, make_store):
    stores = make_store(), make_store()
    for n in range(10):
        one, two = f"one-{n}", f"two-{n}"
        results = await asyncio.gather(
            stores[0].write({one: {}}, expect={two: 0}),
            stores[1].write({two: {}}, expect={one: 0}),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in results) == ["StateConflict", "dict"]


@pytest.mark.promise(id="SEM-1853")
async def test_of_two_that_keep_one_long_conversation_at_once_one_is_refused(kind, make_store):
    lines = [{"role": "user", "content": f"{n:06}".ljust(400, ".")} for n in range(500)]
    one, two = [await LongRecord.load(make_store(), "talk") for _ in range(2)]
    await one.save({}, {"messages": lines})
    with pytest.raises(StateConflict):
        await two.save({}, {"messages": ["another"]})
    await one.save({}, {"messages": [*lines, "more"]})
    store = make_store()
    assert (await LongRecord.load(store, "talk")).lists == {"messages": [*lines, "more"]}
    assert await LongRecord.forget(store, "talk")
    assert await store.keys() == []


class Counter(AgentProcess):
    async def handle(self, message):
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state)


@pytest.mark.promise(id="SEM-1853")
async def test_an_agent_that_was_replaced_elsewhere_overwrites_nothing_of_its_successor(
    kind, make_store
):
    def system() -> Runtime:
        return Runtime(
            Supervisor("root", [Counter("counter")], backoff="NONE"), state_store=make_store()
        )

    async with system() as one, system() as two:
        await one.ask("counter", {})
        with pytest.raises(HandlerFailed, match="somebody else has written it"):
            await two.ask("counter", {})
        assert (await two.ask("counter", {})).payload == {"n": 2}


GRAPH = """
import os, signal
from langgraph.graph import END, START, StateGraph
from typing import TypedDict

class State(TypedDict):
    input: str
    done: list[str]

def did(what, state):
    with open("did-" + state["input"], "a+") as file:
        file.write(what + "\\n")
        file.seek(0)
        return file.read().count(what)

def think(state):
    did("think", state)
    return {"done": ["think"]}

def act(state):
    if did("act", state) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": [*state["done"], "act"]}

graph = StateGraph(State)
graph.add_node("think", think)
graph.add_node("act", act)
graph.add_edge(START, "think")
graph.add_edge("think", "act")
graph.add_edge("act", END)
graph = graph.compile()
"""

LIVES = """
import asyncio, json, os, sys
import civitas_langgraph.agent, civitas_postgres, civitas_redis, graph  # once for all lives
from civitas import Runtime

async def live(state):
    children = [{"agent": {"name": "clerk", "wrap": "graph:graph", "durable": True}}]
    config = {"state": state, "supervision": {"name": "root", "children": children}}
    async with Runtime.from_config(config) as runtime:
        reply = await runtime.ask("clerk", {"input": state["type"]}, run="one", timeout=60)
        print(json.dumps(reply.payload["done"]), flush=True)

for state in json.loads(sys.argv[1]):
    for _ in range(2):
        pid = os.fork()
        if not pid:
            asyncio.run(live(state))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.promise(id="SEM-1855")
def test_a_durable_graph_whose_process_is_killed_goes_on_at_its_last_node(
    python, tmp_path, redis_server, postgres_server
):
    (tmp_path / "graph.py").write_text(GRAPH)
    states = [
        {"type": "redis", "url": redis_server.url, "prefix": "killed:"},
        {"type": "postgres", "conninfo": postgres_server.url, "table": "killed"},
    ]
    told = run(python, "-c", LIVES, json.dumps(states), cwd=tmp_path).stdout.splitlines()
    for state, lines in zip(states, (told[:3], told[3:]), strict=True):
        assert lines == ["-9", '["think", "act"]', "0"]
        assert (tmp_path / f"did-{state['type']}").read_text().split() == ["think", "act", "act"]


def _signalled(pid: int, how: int) -> bool:
    try:
        os.kill(pid, how)
    except ProcessLookupError:  # that of the look itself, which ends meanwhile
        return False
    return True
