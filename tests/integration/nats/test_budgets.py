"""A budget that processes on several machines spend from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import BudgetExceeded, Message, Runtime
from civitas.testing import ModelServer
from tests.integration.nats.conftest import over_nats
from tests.integration.processes.system import agent
from tests.nats_server import NatsServer

CALLS = 40


def caller(name: str, process: str | None = None, **keywords: Any) -> dict[str, Any]:
    entry = agent(name, process, **keywords)
    entry["agent"]["type"] = "tests.integration.nats.cast:Caller"
    return entry


@pytest.mark.promise(id="SEM-1914")
async def test_processes_that_share_a_server_and_replicas_make_as_many_calls_as_the_tree_has(
    server_of_its_own: NatsServer,
) -> None:
    children = caller("here"), caller("there", "one"), caller("crew", "two", replicas=2)
    config = over_nats(server_of_its_own, *children)
    config["supervision"]["budget"] = {"calls": CALLS}
    with ModelServer(lambda request: "said") as model:
        config["model"] = {"type": "openai", "base_url": model.url, "api_key": "none"}
        async with Runtime.from_config(config) as runtime:
            asks = [
                runtime.ask(name, None) for name in ("here", "there", "crew") for _ in range(CALLS)
            ]
            answers = await asyncio.gather(*asks, return_exceptions=True)
            (used,) = [each["used"] for each in await runtime.budgets()]
    assert {type(each) for each in answers} == {Message, BudgetExceeded}
    assert (len(model.requests), used) == (CALLS, {"calls": CALLS})
