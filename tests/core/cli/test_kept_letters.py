"""`civitas dead-letters` where no broker keeps them: at a running system, and in the store of one that was killed."""

from __future__ import annotations

import asyncio
import json
import signal
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.state import SQLiteStateStore
from tests.core.cli.support import Result, Running

Beside = Callable[..., Awaitable[Result]]

CAST = """
    from pathlib import Path

    from civitas import AgentProcess

    class Worker(AgentProcess):
        async def handle(self, message):
            if not Path(__file__).with_name("mended").exists():
                raise ValueError("not yet")
            Path(__file__).with_name("done").write_text(message.id)
            return self.reply(message.payload)
"""

TOPOLOGY = """
    name: shop
    state: {type: sqlite, path: state.db}
    supervision:
      name: root
      backoff: none
      max_restarts: 100
      children:
        - agent: {name: here, type: cast_of_letters.Worker}
        - agent: {name: there, type: cast_of_letters.Worker, process: other}
"""


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    (tmp_path / "cast_of_letters.py").write_text(textwrap.dedent(CAST))
    file = tmp_path / "topology.yaml"
    file.write_text(textwrap.dedent(TOPOLOGY))
    return file


@pytest.mark.timeout(60)
@pytest.mark.promise(id="SEM-1720")
@pytest.mark.promise(id="SEM-1721")
async def test_a_killed_system_leaves_its_dead_letters_to_the_next(
    start: Callable[..., Awaitable[Running]], beside: Beside, topology: Path
) -> None:
    async def letters(*options: str) -> list[dict[str, Any]]:
        result = await beside("dead-letters", "list", topology, "--json", *options)
        assert result.code == 0, result.err
        found: list[dict[str, Any]] = json.loads(result.out)
        return found

    run = await start("run", topology)
    await run.until("ready")
    for name in ("here", "there"):
        assert (await beside("send", topology, name, '{"secret": 1}')).code == 0
    async with asyncio.timeout(10):
        while len(await letters()) < 2:
            await asyncio.sleep(0.01)
    assert "secret" not in (await beside("dead-letters", "list", topology)).out
    alive = await letters("--payload")
    assert sorted((each["agent"], each["reason"], each["payload"]["secret"]) for each in alive) == [
        ("here", "crashed", 1),
        ("there", "crashed", 1),
    ]
    store = SQLiteStateStore(topology.parent / "state.db")
    async with asyncio.timeout(10):
        while len(await store.keys("civitas:dead:")) < 2:
            await asyncio.sleep(0.01)
    await store.close()
    run.signal(signal.SIGKILL)
    await run.end()

    async with asyncio.timeout(10):  # its workers end a moment later
        while (
            killed := await beside("dead-letters", "list", topology, "--json", "--payload")
        ).code:
            await asyncio.sleep(0.01)
    without_age = [{**each, "age": 0} for each in alive]
    assert [{**each, "age": 0} for each in json.loads(killed.out)] == without_age
    refused = await beside("dead-letters", "replay", topology, "1")
    assert "the system is not running: nobody would handle it" in refused.err

    (topology.parent / "mended").touch()
    run = await start("run", topology)
    await run.until("ready")
    there = next(each for each in alive if each["agent"] == "there")
    replayed = await beside("dead-letters", "replay", topology, there["id"])
    assert replayed.out == f"{topology}: 1 message replayed\n"
    async with asyncio.timeout(10):
        while not (topology.parent / "done").exists():
            await asyncio.sleep(0.01)
    assert (topology.parent / "done").read_text() == there["id"]
    assert [each["agent"] for each in await letters()] == ["here"]
    dropped = await beside("dead-letters", "drop", topology, "--all", "--yes")
    assert dropped.out == f"{topology}: 1 dead letter removed\n"
    run.signal(signal.SIGTERM)
    await run.end()
    assert await letters() == []
