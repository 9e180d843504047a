"""A durable agent of the SDK passes from one version of the program to the next between two of its calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agents import Agent, function_tool

from civitas import Runtime, SQLiteStateStore, Supervisor
from civitas.demo.model_server import ToolCall
from civitas_openai import OpenAIAgent
from tests.openai.flaky_tools import ToolCalls


@pytest.mark.promise(id="SEM-1829")
async def test_the_call_under_way_ends_and_the_next_version_makes_the_others(
    tmp_path: Path, scripted
) -> None:
    calls = ToolCalls(ToolCall("look", {"text": "a"}), ToolCall("look", {"text": "b"}), "done")
    looked: list[str] = []
    may = asyncio.Semaphore(0)

    @function_tool
    async def look(text: str) -> str:
        """Look it up."""
        looked.append(text)
        await may.acquire()
        return f"found {text}"

    model = scripted(calls)

    def version() -> tuple[Runtime, SQLiteStateStore]:
        store = SQLiteStateStore(tmp_path / "state.db")
        agent = Agent(name="a", model=model, tools=[look])
        tree = Supervisor("root", children=[OpenAIAgent("o", agent=agent, durable=True)])
        return Runtime(tree, state_store=store), store

    (old, old_store), (new, new_store) = version(), version()
    await old.start()
    asking = asyncio.create_task(old.ask("o", {"input": "hi"}))
    async with asyncio.timeout(15):
        while not looked:
            await asyncio.sleep(0.005)
        released = asyncio.Event()

        async def release() -> None:
            released.set()

        passing = asyncio.create_task(old._life.pass_on(5, release))
        may.release()
        await released.wait()
        assert (looked, len(calls.bodies)) == (["a"], 1)
        async with new:
            may.release()
            assert (await asking).payload == {"output": "done"}
            await passing
    assert looked == ["a", "b"]
    assert len(calls.bodies) == 3
    await old_store.close()
    await new_store.close()
