"""Durable runs that go on under other code than they began with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Tool
from pydantic_ai.toolsets import FunctionToolset

from civitas import RunChanged, Runtime, Supervisor, wrap
from civitas.state import InMemoryStateStore
from civitas_pydantic_ai._shape import shape_of
from tests.pydantic_ai.support import Says, call


class Shop:
    """The tools of an agent, and what was done with them."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.began = asyncio.Event()
        self.says = Says([[call("pay", "1")], [call("ship", "2")], "shipped"])

    def tool(self, name: str) -> Tool[Any]:
        async def do() -> str:
            self.did.append(name)
            if name == "ship" and self.did.count("ship") == 1:
                self.began.set()
                await asyncio.Event().wait()
            return f"{name} done"

        return Tool(do, name=name, description=name)

    def program(
        self, store: Any, *tools: str, instructions: str = "Sell.", **keywords: Any
    ) -> Runtime:
        agent = self.says.agent(
            tools=[self.tool(each) for each in tools], instructions=instructions
        )
        child = wrap(agent, name="shop", durable=True, shutdown_timeout=0, **keywords)
        spec = Supervisor("root", children=[child], backoff="NONE")
        return Runtime(spec, state_store=store, drain_timeout=0.01)

    async def left(self, store: Any) -> None:
        """Begin the run `r`, and end the program while it ships."""
        async with self.program(store, "pay", "ship") as runtime:
            await runtime.send("shop", {"input": "a book"}, run="r")
            await self.began.wait()


@pytest.mark.promise(id="SEM-1687")
async def test_a_run_whose_tool_is_gone_is_refused_and_goes_on_when_it_is_back() -> None:
    store, shop = InMemoryStateStore(), Shop()
    await shop.left(store)
    async with shop.program(store, "pay") as runtime:
        with pytest.raises(RunChanged, match="tool 'ship' is gone"):
            await runtime.result("r", timeout=5)
    async with shop.program(store, "pay", "ship") as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}
    assert shop.did == ["pay", "ship", "ship"]
    assert await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1690")
async def test_a_run_goes_on_with_other_words_and_a_new_tool_and_says_so(caplog: Any) -> None:
    store, shop = InMemoryStateStore(), Shop()
    await shop.left(store)
    program = shop.program(store, "pay", "ship", "refund", instructions="Sell more.")
    async with program as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}
    (told,) = [each.getMessage() for each in caplog.records if "code has changed" in each.message]
    assert "tool 'refund' is new" in told
    assert "instructions changed" in told


def test_what_an_agent_runs_is_told_by_name_whatever_its_output_and_toolsets_are() -> None:
    class Odd:
        """Has no schema."""

    def odd(number: int) -> str:
        return "odd"

    toolset = FunctionToolset([odd]).prefixed("t")
    agent = Says([]).agent(tools=[odd], toolsets=[toolset], output_type=[odd, str])
    odd.__annotations__["return"] = Odd
    parts = [(each.kind, each.name) for each in shape_of(agent, None)]
    assert parts.count(("tool", "odd")) == 2
    assert {"model", "instructions", "output"} <= {kind for kind, _ in parts}


async def test_a_run_starts_over_where_it_is_to() -> None:
    store, shop = InMemoryStateStore(), Shop()
    await shop.left(store)
    script: list[Any] = [[call("pay", "1")], "paid"]
    shop.says._script = iter(script)
    async with shop.program(store, "pay", on_change="restart") as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "paid"}
    assert shop.did == ["pay", "ship", "pay"]
