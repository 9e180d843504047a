"""LangGraph with its own checkpointer over SQLite, without Civitas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks.peers import frameworks, line


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    async with AsyncSqliteSaver.from_conn_string(str(folder / "graph.db")) as saver:
        graph = frameworks.graph(checkpointer=saver)

        async def run(name: str) -> None:
            config: Any = {"configurable": {"thread_id": name}, "recursion_limit": 1000}
            await graph.ainvoke({"done": 0, "text": ""}, config, durability="sync")

        yield {"graph-steps": frameworks.in_runs(run, frameworks.GRAPH_STEPS)}


if __name__ == "__main__":
    line.main(_opened, "langgraph", "langgraph-checkpoint-sqlite")
