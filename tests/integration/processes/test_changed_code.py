"""A module that is changed on disk, and the process killed that had imported it: what becomes of its durable runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from textwrap import dedent

import pytest

from civitas import RunChanged, RunStatus, Runtime
from tests.integration.processes.system import kill, until

TOPOLOGY = """
    name: changing
    state: {type: sqlite, path: state.db}
    supervision:
      backoff: none
      children:
        - agent: {name: g, wrap: changing:graph, process: w, durable: true}
"""
MODULE = """
    import asyncio, operator
    from pathlib import Path
    from typing import Annotated, TypedDict
    from langgraph.graph import END, START, StateGraph

    here = Path(__file__).parent

    class Box(TypedDict):
        got: Annotated[list[str], operator.add]

    def node(name):
        async def run(state):
            with open(here / "ran", "a") as file:
                file.write(name + "\\n")
            while name == "NEXT" and state["got"] == ["wait"] and not (here / "go").exists():
                await asyncio.sleep(0.01)
            return {"got": [name]}
        return run

    builder = StateGraph(Box)
    builder.add_node("draft", node("draft"))
    builder.add_node("NEXT", node("NEXT"))
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "NEXT")
    graph = builder.compile()
"""


def deploy(folder: Path, following: str) -> None:
    """Have the second node of the graph called so."""
    text = dedent(MODULE).replace('state["got"] == ["wait"]', 'state["got"][0] == "wait"')
    (folder / "changing.py").write_text(text.replace("NEXT", following))


@pytest.mark.promise(id="SEM-1687")
@pytest.mark.promise(id="SEM-1688")
async def test_a_run_is_held_by_a_process_with_other_code_and_goes_on_in_one_with_the_old(
    tmp_path: Path,
) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(dedent(TOPOLOGY))
    deploy(tmp_path, "send")
    ran = tmp_path / "ran"
    async with Runtime.from_config(file) as runtime:
        asking = asyncio.create_task(
            runtime.ask("g", {"got": ["wait"]}, conversation="c", run="r", timeout=30)
        )
        await until(lambda: ran.exists() and "send" in ran.read_text())
        deploy(tmp_path, "deliver")
        kill(runtime, "g")
        with pytest.raises(RunChanged, match="node 'send' is gone"):
            await asking
        (info,) = runtime.runs(RunStatus.HELD)
        assert info.run == "r"
        assert (await runtime.ask("g", {"got": ["x"]})).payload == {
            "got": ["x", "draft", "deliver"]
        }
        (tmp_path / "go").touch()
        deploy(tmp_path, "send")
        kill(runtime, "g")
        await until(lambda: not runtime.runs(RunStatus.HELD))
        reply = await runtime.result("r")
    assert reply.payload == {"got": ["wait", "draft", "send"]}
    assert ran.read_text().split() == ["draft", "send", "draft", "deliver", "send"]
