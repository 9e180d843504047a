"""The root that is killed: it asks what it is told to ask, and tells the answers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from civitas import AgentProcess, CivitasError, Message, Runtime, SupervisionError
from tests.integration.killed.world import did

__all__ = ["Helper", "run"]


class Helper(AgentProcess):
    """An agent that another one asks; it calls a tool of its own."""

    def handle(self, message: Message) -> Message:  # type: ignore[override]
        return self.reply(did("help", self.idempotency_key("help")))


def run(connection: Connection[Any, Any]) -> None:
    """Run the system until it is told to stop, or killed.

    Args:
        connection: It is told the topology, and then ("ask", run, type, payload, conversation), ("restart", agent),
            ("pid", agent) or ("stop",).
    """
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_serve(connection, connection.recv()))


async def _serve(connection: Connection[Any, Any], config: dict[str, Any]) -> None:
    async with Runtime.from_config(config) as runtime, asyncio.TaskGroup() as group:
        connection.send(("ready",))
        while (told := await asyncio.to_thread(connection.recv))[0] != "stop":
            group.create_task(_do(runtime, connection, *told))
        left = [each.run for each in runtime.runs() if each.status in ("accepted", "running")]
        connection.send(("stopped", left))


async def _do(runtime: Runtime, connection: Connection[Any, Any], what: str, *told: Any) -> None:
    match what, *told:
        case "ask", run, type, payload, conversation:
            try:
                answer = await runtime.ask(
                    "clerk", payload, type, run=run, conversation=conversation, timeout=120
                )
            except CivitasError as error:
                connection.send(("failed", f"{error!r} of {run}"))
            else:
                connection.send(("answer", answer.type, answer.payload))
        case "restart", agent:
            with suppress(SupervisionError):  # it is being started again
                await runtime.restart(agent)
        case "pid", agent:
            found = next(each for each in runtime.tree()["children"] if each["name"] == agent)
            connection.send(("pid", found["pid"]))
